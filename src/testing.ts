/**
 * `mqttest/testing`: what tests of plugins, and of mqttest itself, are written with. A raw client says exactly what it is told
 * to, byte for byte, and shows exactly what came; on an in-memory pair it needs no socket and no real time.
 */
export { type ConnectInput, connectMemory, connectTcp, RawClient } from './testing/raw-client.ts'
