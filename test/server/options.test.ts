/** Mistakes in the options of `start`, told before anything begins. */
import { start } from 'mqttest'
import { describe, expect, test } from 'vitest'

describe('start refuses', () => {
  test.each<[what: string, options: object, message: string]>([
    ['an unknown option', { prot: 1883 }, "unknown option 'prot'. Did you mean 'port'?"],
    ['a mistyped one', { maxConnection: 1 }, "unknown option 'maxConnection'. Did you mean 'maxConnections'?"],
    ['a lint mode', { lint: 'error' }, 'option \'lint\': expected one of off, warn, fail, got "error".'],
    ['onPluginError', { onPluginError: 'wran' }, "option 'onPluginError': expected one of fail, warn, got \"wran\". Did you mean 'warn'?"],
    ['a number of connections', { maxConnections: 0 }, "option 'maxConnections': expected a whole number above 0, got 0"],
    ['a list of plugins that is none', { plugins: {} }, "option 'plugins': expected a list, got {}"],
    ['a journal', { journal: { record: 5 } }, "option 'journal'"],
    ['a clock', { clock: 'sundial' }, "option 'clock': expected 'real', 'virtual', a clock or an object with timer functions, got sundial"],
    ['a runtime', { maxRuntime: 'soon' }, "option 'maxRuntime': expected milliseconds or text such as '200ms', '1.5s', '10m', '1h', got \"soon\""],
    ['a broker option', { broker: { maximumQoS: 1 } }, "option 'broker': unknown key 'maximumQoS'. Did you mean 'maximumQos'?"],
    ['a broker number', { broker: { maximumQos: 3 } }, "option 'broker.maximumQos': expected a whole number from 0 to 2, got 3"],
    ['a broker number that is not whole', { broker: { receiveMaximum: 1.5 } }, "option 'broker.receiveMaximum'"],
    ['a broker flag', { broker: { retainAvailable: 'no' } }, 'option \'broker.retainAvailable\': expected true or false, got "no"'],
    ['another broker choice', { broker: { unknownPacketId: 'x' } }, "option 'broker.unknownPacketId': expected 'accept' or 'not-found', got \"x\""],
    ['a broker choice', { broker: { overlap: 'all' } }, "option 'broker.overlap': expected 'one' or 'each', got \"all\""],
    ['a broker duration', { broker: { connectTimeout: 'x' } }, "option 'broker.connectTimeout': expected milliseconds"],
    ['core', { core: 'no' }, 'option \'core\': expected true or false, got "no"'],
    ['a seed', { seed: {} }, "option 'seed': expected text or a number, got {}"],
    ['a signal', { signal: 'SIGTERM' }, 'option \'signal\': expected an AbortSignal, got "SIGTERM"'],
    ['a dump', { dump: 5 }, "option 'dump': expected the name of a file, got 5"],
  ])('%s', async (_what, options, message) => {
    await expect(start(options)).rejects.toMatchObject({ code: 'MQTTEST_OPTION', message: expect.stringContaining(message) })
  })

  test.each<[what: string, plugins: unknown[], code: string, message: string]>([
    ['what is no plugin', [42], 'MQTTEST_PLUGIN_SHAPE', 'plugins: expected a plugin, a name or a list of them, got 42'],
    [
      'a plugin for another interface',
      [{ meta: { name: 'new', api: 2 }, setup() {} }],
      'MQTTEST_PLUGIN_API',
      "plugin 'new' is written for plugin API 2; this mqttest has API 1",
    ],
    ['a scope', [[{ meta: { name: 'x' }, setup() {} }, undefined, { conection: 1 }]], 'MQTTEST_OPTION', "Did you mean 'connection'?"],
  ])('in a list of plugins: %s', async (_what, plugins, code, message) => {
    const options: object = { listen: false, plugins }
    await expect(start(options)).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
  })

  test('what are no options at all', async () => {
    for (const options of [null, 5, [], 'mqtt://x']) await expect(Reflect.apply(start, undefined, [options])).rejects.toMatchObject({ code: 'MQTTEST_OPTION' })
  })
})

describe('start takes', () => {
  test('undefined for every option that is left out', async () => {
    await using server = await start({
      listen: false,
      plugins: undefined,
      port: undefined,
      lint: undefined,
      broker: { receiveMaximum: undefined },
      dump: undefined,
    })
    expect(server.url).toBe('')
  })

  test('empty places, packs in packs and plain objects in a list of plugins', async () => {
    let setUp = 0
    const plain = { meta: { name: 'plain' }, setup: () => void setUp++ }
    const plugins: object[] = [plain, [[plain, null], false, undefined, [[[plain]]]]].map((entry): object => entry)
    const options: object = { listen: false, plugins }
    await using _server = await start(options)
    expect(setUp).toBe(3)
  })
})
