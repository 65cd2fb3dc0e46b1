/**
 * `mqttest/testing`: what tests of plugins, and of mqttest itself, are written with. A raw client says exactly what it is told
 * to, byte for byte, and shows exactly what came; `testPlugin` checks what every plugin must hold to. On in-memory pairs they
 * need no socket and no real time.
 */
export type { Exercise, ExerciseFunction } from './testing/behaviour-checks.ts'
export { playScenario, type Stage } from './testing/player.ts'
export { type ConnectInput, connectMemory, connectTcp, RawClient } from './testing/raw-client.ts'
export { type ConnectStep, type Scenario, type ScenarioStep, scenarios } from './testing/scenarios.ts'
export { type PluginCheck, type PluginTest, pluginChecks, type TestedPlugin, type TestFunction, testPlugin } from './testing/test-plugin.ts'
