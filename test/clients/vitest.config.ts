import { defineConfig } from 'vitest/config'
import sources from '../vitest.config.ts'

// Clients that others wrote, as far as they are installed. The server is the one of the sources.
export default defineConfig({
  ...sources,
  test: {
    include: ['test/clients/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
