*** Settings ***
Documentation       The emulated board does exactly what the twin does, the same C sources built for the host.
Resource            harness.resource
Suite Setup         Train
Test Setup          No Operation
Test Teardown       Keep Evidence
Test Template       Twin And Target Agree

*** Test Cases ***
Twin and target agree bit for bit in uint8 on the nRF52840
    [Tags]    nrf52840    uint8
    nrf52840    uint8

Twin and target agree bit for bit in float32 on the nRF52840
    [Tags]    nrf52840    float32
    nrf52840    float32

Twin and target agree bit for bit in uint8 on the RP2040
    [Tags]    rp2040    uint8
    rp2040    uint8

Twin and target agree bit for bit in float32 on the RP2040
    [Tags]    rp2040    float32
    rp2040    float32

Twin and target agree bit for bit in uint8 on the i.MX RT1062
    [Tags]    imxrt1062    uint8
    imxrt1062    uint8

Twin and target agree bit for bit in float32 on the i.MX RT1062
    [Tags]    imxrt1062    float32
    imxrt1062    float32

Twin and target agree bit for bit in uint8 on the STM32L4R5ZI
    [Tags]    stm32l4r5zi    uint8
    stm32l4r5zi    uint8

Twin and target agree bit for bit in float32 on the STM32L4R5ZI
    [Tags]    stm32l4r5zi    float32
    stm32l4r5zi    float32

Renode counts every instruction and all memory as the default engine does
    [Tags]    nrf52840    rp2040    imxrt1062    stm32l4r5zi    uint8    float32
    [Template]    NONE
    Train
    Counts Should Be Those Of The Default Engine

*** Keywords ***
Twin And Target Agree
    [Arguments]    ${platform}    ${dtype}
    Take Run    ${platform}    ${dtype}
    Twin And Target Should Agree
