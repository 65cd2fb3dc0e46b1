/** The built-in packs, one named export each; a page for each stands beside it, made of what it says about itself. */
export { awsIotCore } from './aws-iot-core.ts'
export { azureIotHub } from './azure-iot-hub.ts'
export { flakyMobile } from './flaky-mobile.ts'
export { lossyGateway } from './lossy-gateway.ts'
export { minimalLimits } from './minimal-limits.ts'
export { mosquitto } from './mosquitto.ts'
export { rollingRestart } from './rolling-restart.ts'
export { strict } from './strict.ts'
