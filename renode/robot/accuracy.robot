*** Settings ***
Documentation       The trained network recognizes what it should, on the twin after all epochs and on the board itself.
Resource            harness.resource
Test Setup          No Operation
Test Teardown       Keep Evidence

*** Variables ***
# The least accuracies; what the network reaches lies some points above.
${AFTER ONE EPOCH}      60 %
${AT THE END}           85 %
${ON THE TARGET}        60 %

*** Test Cases ***
After one epoch in uint8 the accuracy is at least as expected
    [Tags]    nrf52840    uint8
    Train
    Take Run    nrf52840    uint8
    Accuracy Should Be At Least    ${AFTER ONE EPOCH}    epochs=1

After one epoch in float32 the accuracy is at least as expected
    [Tags]    nrf52840    float32
    Train
    Take Run    nrf52840    float32
    Accuracy Should Be At Least    ${AFTER ONE EPOCH}    epochs=1

At the end of training in uint8 the accuracy is at least as expected
    [Tags]    nrf52840    uint8
    Train
    Take Run    nrf52840    uint8
    Accuracy Should Be At Least    ${AT THE END}

At the end of training in float32 the accuracy is at least as expected
    [Tags]    nrf52840    float32
    Train
    Take Run    nrf52840    float32
    Accuracy Should Be At Least    ${AT THE END}

After an epoch of emulated steps the nRF52840 itself is as accurate as expected
    [Tags]    nrf52840    uint8
    Run Scenario    ${SCENARIO}
    ...    platform=nrf52840    training.dtype=uint8    training.epochs=1    engine.steps=all    engine.evaluate=50
    Take Run    nrf52840    uint8
    Accuracy On The Target Should Be At Least    ${ON THE TARGET}
