/** The built-in plugins, one named export each; plugins/README.md has the table of what they do. */
export { ackDelay } from './ack-delay.ts'
export { closeAfter } from './close-after.ts'
export { extendedIds } from './extended-ids.ts'
export { mqtt3Idioms } from './mqtt3-idioms.ts'
export { pidStrategy } from './pid-strategy.ts'
export { reject } from './reject.ts'
export { sessionOverride } from './session-override.ts'
export { stopAfter } from './stop-after.ts'
