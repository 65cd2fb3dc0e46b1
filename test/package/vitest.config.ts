import { defineConfig } from 'vitest/config'

// These tests run on the package as it is published; nothing here knows the sources.
export default defineConfig({
  root: new URL('../../', import.meta.url).pathname,
  test: {
    include: ['test/package/**/*.test.ts'],
    // One after the other: each project is installed once, and shared.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 180_000,
  },
})
