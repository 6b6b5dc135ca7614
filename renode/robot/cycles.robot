*** Settings ***
Documentation       A training step does not cost more than the committed baseline allows.
...                 Counts depend on the compiler: with another one than the baseline's, and with another cycle model, these tests are skipped and say so.
Resource            harness.resource
Suite Setup         Train
Test Setup          No Operation
Test Teardown       Keep Evidence
Test Template       Cycles Stay Below The Baseline

*** Test Cases ***
A training step in uint8 on the nRF52840 takes no more than 1 % above the baseline
    [Tags]    nrf52840    uint8
    nrf52840    uint8

A training step in float32 on the nRF52840 takes no more than 1 % above the baseline
    [Tags]    nrf52840    float32
    nrf52840    float32

A training step in uint8 on the RP2040 takes no more than 1 % above the baseline
    [Tags]    rp2040    uint8
    rp2040    uint8

A training step in float32 on the RP2040 takes no more than 1 % above the baseline
    [Tags]    rp2040    float32
    rp2040    float32

A training step in uint8 on the i.MX RT1062 takes no more than 1 % above the baseline
    [Tags]    imxrt1062    uint8
    imxrt1062    uint8

A training step in float32 on the i.MX RT1062 takes no more than 1 % above the baseline
    [Tags]    imxrt1062    float32
    imxrt1062    float32

A training step in uint8 on the STM32L4R5ZI takes no more than 1 % above the baseline
    [Tags]    stm32l4r5zi    uint8
    stm32l4r5zi    uint8

A training step in float32 on the STM32L4R5ZI takes no more than 1 % above the baseline
    [Tags]    stm32l4r5zi    float32
    stm32l4r5zi    float32

*** Keywords ***
Cycles Stay Below The Baseline
    [Arguments]    ${platform}    ${dtype}
    Take Run    ${platform}    ${dtype}
    Cycles Should Not Exceed The Baseline    ${BASELINE}    1 %    renew=${REBASELINE}
