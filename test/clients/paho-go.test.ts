/** Eclipse Paho for Go: paho.golang with autopaho, which speaks MQTT 5.0 only, and paho.mqtt.golang, which speaks 3.1.1 only. */
import { goRecipe } from './go.ts'
import { tryProgram } from './scenarios.ts'

await tryProgram({ ...goRecipe, name: 'Eclipse Paho for Go (paho.golang)', folder: 'paho-go', versions: ['5.0'], ways: ['TCP', 'TLS', 'WebSocket'] })
// Seen with paho.mqtt.golang 1.5.1: when a connection was lost, the token of a publication completes without an error at the
// reconnect, before the message was sent again (its packet id is claimed anew, which ends the old token). A program that
// disconnects then loses the message; this one waits for a line first.
await tryProgram({ ...goRecipe, name: 'Eclipse Paho for Go (paho.mqtt.golang)', folder: 'paho-go3', versions: ['3.1.1'], ways: ['TCP', 'TLS', 'WebSocket'] })
