*** Settings ***
Documentation       Renode's own keywords, its own runner and the descriptions in renode/platforms: firmware that the harness
...                 built trains to its end, and its UART carries the records of the twin. Runs under renode-test only.
Resource            harness.resource
Suite Setup         Begin
Suite Teardown      End
Test Setup          Reset Emulation
Test Teardown       Keep Evidence And Reset

*** Test Cases ***
Training in uint8 on the nRF52840 ends in Renode and its UART carries the records of the twin
    [Tags]    nrf52840    uint8
    [Template]    The UART Carries The Records Of The Twin
    nrf52840    uint8

Training in float32 on the nRF52840 ends in Renode and its UART carries the records of the twin
    [Tags]    nrf52840    float32
    [Template]    The UART Carries The Records Of The Twin
    nrf52840    float32

Training in uint8 on the RP2040 ends in Renode and its UART carries the records of the twin
    [Tags]    rp2040    uint8
    [Template]    The UART Carries The Records Of The Twin
    rp2040    uint8

Training in uint8 on the i.MX RT1062 ends in Renode and its UART carries the records of the twin
    [Tags]    imxrt1062    uint8
    [Template]    The UART Carries The Records Of The Twin
    imxrt1062    uint8

Training in uint8 on the STM32L4R5ZI ends in Renode and its UART carries the records of the twin
    [Tags]    stm32l4r5zi    uint8
    [Template]    The UART Carries The Records Of The Twin
    stm32l4r5zi    uint8

*** Keywords ***
Begin
    Skip Unless Under Renode Test
    Run Keyword    Setup

End
    ${name}=    Get Variable Value    ${RENODEKEYWORDS}
    IF    $name    Run Keyword    Teardown

The UART Carries The Records Of The Twin
    [Arguments]    ${platform}    ${dtype}
    ${firmware}=    Build Firmware    ${SCENARIO}    platform=${platform}    training.dtype=${dtype}
    Load Board    ${firmware}
    Wait For Lines On Uart    ${firmware.records}    timeout=${LONGEST}

Keep Evidence And Reset
    Run Keyword    Test Teardown
    Keep Evidence Of A Failed Test
    Run Keyword If Test Failed    Link What Renode Saved
