*** Settings ***
Documentation       Training starts, does all its steps and says so on the UART, on every board and in both data types.
Resource            harness.resource
Suite Setup         Train
Test Setup          No Operation
Test Teardown       Keep Evidence
Test Template       Training Runs And Ends

*** Test Cases ***
Training in uint8 runs and ends on the nRF52840
    [Tags]    nrf52840    uint8
    nrf52840    uint8

Training in float32 runs and ends on the nRF52840
    [Tags]    nrf52840    float32
    nrf52840    float32

Training in uint8 runs and ends on the RP2040
    [Tags]    rp2040    uint8
    rp2040    uint8

Training in float32 runs and ends on the RP2040
    [Tags]    rp2040    float32
    rp2040    float32

Training in uint8 runs and ends on the i.MX RT1062
    [Tags]    imxrt1062    uint8
    imxrt1062    uint8

Training in float32 runs and ends on the i.MX RT1062
    [Tags]    imxrt1062    float32
    imxrt1062    float32

Training in uint8 runs and ends on the STM32L4R5ZI
    [Tags]    stm32l4r5zi    uint8
    stm32l4r5zi    uint8

Training in float32 runs and ends on the STM32L4R5ZI
    [Tags]    stm32l4r5zi    float32
    stm32l4r5zi    float32

*** Keywords ***
Training Runs And Ends
    [Arguments]    ${platform}    ${dtype}
    Take Run    ${platform}    ${dtype}
    Training Should Have Ended
