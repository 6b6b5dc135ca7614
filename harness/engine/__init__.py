"""What executes the firmware: the host twin and the emulators, all yielding the same `Trace`."""
