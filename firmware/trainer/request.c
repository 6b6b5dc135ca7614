#include "trainer/request.h"

REQUEST_STORAGE struct run_request run_request = {
    .version = RUN_REQUEST_VERSION,
    .steps = 64,
    .record_steps = 64,
    .batch_size = 32,
    .policy = POLICY_DYNAMIC,
    .seed = 1,
    .learning_rate = 0.01f,
    .min_ratio = 0.1f,
    .max_ratio = 1.0f,
    .momentum = 0.9f,
    .range_smoothing = 0.1f,
    .weight_smoothing = 1.0f,
};
