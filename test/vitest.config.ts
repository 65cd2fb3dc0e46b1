import { defineConfig } from 'vitest/config'

const root = new URL('../', import.meta.url).pathname

// The tests run on the sources; test/package runs on what is packed.
export default defineConfig({
  root,
  resolve: {
    alias: [
      { find: /^mqttest\/testing$/, replacement: `${root}src/testing.ts` },
      { find: /^mqttest\/plugins$/, replacement: `${root}plugins/index.ts` },
      { find: /^mqttest\/plugins\/(.*)$/, replacement: `${root}plugins/$1.ts` },
      { find: /^mqttest\/packs$/, replacement: `${root}plugins/packs/index.ts` },
      { find: /^mqttest\/packs\/(.*)$/, replacement: `${root}plugins/packs/$1.ts` },
      { find: /^mqttest$/, replacement: `${root}src/index.ts` },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/package/**', 'test/clients/**', 'test/bench/**'],
    pool: 'threads',
    testTimeout: 10_000,
  },
})
