/** What a server process tells its parent: its port, and its memory after a collection of garbage. */

/** A message of a server process. */
export type ServerMessage = { readonly port: number } | { readonly rss: number }

/** Tells the port, and answers the message 'rss'. Without a parent that listens it does nothing. */
export function serve(port: number): void {
  if (process.send === undefined) return
  const tell = (message: ServerMessage) => process.send?.(message)
  process.on('message', (question) => {
    if (question === 'collect') globalThis.gc?.()
    tell({ rss: process.memoryUsage.rss() })
  })
  process.on('disconnect', () => process.exit(0))
  tell({ port })
}
