/** The parts of mqtt-packet that are imported by themselves; its own types describe the main file only. */
declare module 'mqtt-packet/generate.js' {
  import type { generate } from 'mqtt-packet'

  const generatePacket: typeof generate
  export default generatePacket
}

declare module 'mqtt-packet/writeToStream.js' {
  import type { writeToStream as write } from 'mqtt-packet'

  const writeToStream: typeof write
  export default writeToStream
}
