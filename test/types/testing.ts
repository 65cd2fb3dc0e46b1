/** Types of mqttest/testing that authors of plugins rely on: checked by tsc; nothing here runs. */
import { definePlugin, option } from 'mqttest'
import { ackDelay } from 'mqttest/plugins'
import { testPlugin } from 'mqttest/testing'

declare const test: (name: string, run: () => Promise<void>) => unknown

// The options are those of the plugin.
testPlugin(ackDelay, { bystander: { packets: [] }, options: [{ delay: '1s' }, { packets: 'puback' }], wrong: [[{ delay: -1 }, /delay/]] }, test)
testPlugin(ackDelay, { bystander: { scope: { clientId: 'nobody' } } }, test)
// @ts-expect-error there is no option of this name
testPlugin(ackDelay, { options: [{ dealy: '1s' }] }, test)
// @ts-expect-error there is no check of this name
testPlugin(ackDelay, { except: { 'keeps calm': 'never' } }, test)

// A plain object and a factory without options do as well; without a test function there is a promise.
export const checks: Promise<readonly string[]> = testPlugin({ meta: { name: 'plain' }, setup() {} })
export const more: Promise<readonly string[]> = testPlugin(definePlugin({ meta: { name: 'own' }, options: { size: option.count('a size', 1) }, setup() {} }), {
  options: [{ size: 2 }],
  exercise: async ({ connect, clock, server, options }) => {
    const client = await connect({ protocolVersion: 5 })
    await clock.advance('1s')
    return [client.received, server.report(), options]
  },
})
