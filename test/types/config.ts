/** Types of configs: checked by tsc; nothing here runs. */
import { type Config, type ConfigInput, defineConfig, definePlugin, option } from 'mqttest'

declare module 'mqttest' {
  interface PluginRegistry {
    'flaky-gateway': { rate?: number }
    'registered-bare': Record<never, never>
  }
}

const late = definePlugin({ meta: { name: 'late' }, options: { by: option.duration('how late', 0) }, setup() {} })

// A config is an object, a function or a promise.
export const object = defineConfig({ port: 1883, lint: 'fail', broker: { maximumQos: 1 } })
export const fromFunction: ConfigInput = defineConfig(() => ({ plugins: ['./flaky.ts'] }))
export const fromAsyncFunction = defineConfig(async () => ({ maxRuntime: '1.5s' as const }))
export const fromPromise = defineConfig(Promise.resolve({ seed: 7 }))

// Plugins as values, with scopes, in packs, with empty places.
export const values = defineConfig({
  plugins: [
    late({ by: '1s' }),
    [late({ by: 1 }), { connection: 0 }],
    late,
    [late, { by: 1 }, { times: 2 }],
    [late, [late(), false]],
    process.env.CI !== undefined && late(),
  ],
})

// Names of files and packages, whose options only the running program can check.
export const others = defineConfig({
  plugins: [
    './flaky.ts',
    '../flaky',
    ['./flaky.ts', { any: 1 }],
    'mqttest-plugin-other',
    '@acme/gateway',
    '@acme',
    ['@acme/gateway', { any: 1 }, { every: 2 }],
  ],
})

// Names that a package has registered, through the public entry.
export const registered = defineConfig({ plugins: ['flaky-gateway', ['flaky-gateway', { rate: 0.5 }, { clientId: 'dev-*' }], 'registered-bare'] })

// Built-in names, whose options are read off the plugins.
export const builtIn = defineConfig({
  plugins: ['ack-delay', ['ack-delay', { delay: '200ms', packets: ['puback'] }, { every: 2 }], ['reject', undefined, { times: 1 }]],
})

export const extended = defineConfig({ extends: ['./base.ts', '@acme/mqttest-config', { lint: 'off' }, object], plugins: [] })

export const mistakes: Config[] = [
  // @ts-expect-error an unknown key
  { prot: 1883 },
  // @ts-expect-error a value that is not allowed
  { lint: 'faill' },
  // @ts-expect-error a config is named by extends
  { config: './x.ts' },
  // @ts-expect-error neither built in nor registered
  { plugins: ['flaky-gatway'] },
  // @ts-expect-error an unknown option
  { plugins: [['flaky-gateway', { raet: 1 }]] },
  // @ts-expect-error a wrong value
  { plugins: [['flaky-gateway', { rate: '1' }]] },
  // @ts-expect-error an unknown scope
  { plugins: [['flaky-gateway', { rate: 1 }, { conection: 0 }]] },
  // @ts-expect-error a built-in name, mistyped
  { plugins: ['ack-dealy'] },
  // @ts-expect-error an unknown option of a built-in plugin
  { plugins: [['ack-delay', { dealy: '200ms' }]] },
  // @ts-expect-error a wrong value for a built-in plugin
  { plugins: [['ack-delay', { delay: '200 parsecs' }]] },
  // @ts-expect-error an unknown option of a factory
  { plugins: [late({ yb: 1 })] },
  // @ts-expect-error a number is no plugin
  { plugins: [7] },
]

export const refused = [
  // @ts-expect-error an unknown key
  defineConfig({ prot: 1883 }),
  // @ts-expect-error an unknown option
  defineConfig({ plugins: [['flaky-gateway', { raet: 1 }]] }),
  // @ts-expect-error a value that is not allowed, in what a function returns
  defineConfig(() => ({ lint: 'faill' })),
  // @ts-expect-error the same, asynchronously
  defineConfig(async () => ({ plugins: ['flaky-gatway'] })),
]
