*** Settings ***
Documentation       RAM, flash and stack stay within what the scenario allows, and a plan that cannot is refused.
Resource            harness.resource
Suite Setup         Train
Test Setup          No Operation
Test Teardown       Keep Evidence
Test Template       The Memory Budget Holds

*** Test Cases ***
The memory budget holds in uint8 on the nRF52840
    [Tags]    nrf52840    uint8
    nrf52840    uint8

The memory budget holds in float32 on the nRF52840
    [Tags]    nrf52840    float32
    nrf52840    float32

The memory budget holds in uint8 on the RP2040
    [Tags]    rp2040    uint8
    rp2040    uint8

The memory budget holds in float32 on the RP2040
    [Tags]    rp2040    float32
    rp2040    float32

The memory budget holds in uint8 on the i.MX RT1062
    [Tags]    imxrt1062    uint8
    imxrt1062    uint8

The memory budget holds in float32 on the i.MX RT1062
    [Tags]    imxrt1062    float32
    imxrt1062    float32

The memory budget holds in uint8 on the STM32L4R5ZI
    [Tags]    stm32l4r5zi    uint8
    stm32l4r5zi    uint8

The memory budget holds in float32 on the STM32L4R5ZI
    [Tags]    stm32l4r5zi    float32
    stm32l4r5zi    float32

A budget that is too small is refused before anything is built
    [Template]    Scenario Should Be Refused
    ${SCENARIO}    memory\\.ram_budget: the plan needs \\d+ bytes .* more than the budget    memory.ram_budget=4 KiB

*** Keywords ***
The Memory Budget Holds
    [Arguments]    ${platform}    ${dtype}
    Take Run    ${platform}    ${dtype}
    Memory Should Stay Within Its Budget
