import type { Connection } from '../connection/connection.ts'
import type { PingreqPacket } from '../wire/packet.ts'

/** PINGREQ is answered with PINGRESP [MQTT-3.12.4-1]. */
export function handlePing(packet: PingreqPacket, connection: Connection): void {
  connection.sendPacket({ cmd: 'pingresp' }, { kind: 'reply', packet })
}
