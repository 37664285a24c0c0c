// A port on this machine that leads to wherever our own connections lead: load tools of others know addresses only, and the
// app of a host may be reachable through its SSH connection alone. Open as long as the tool runs.
import { createServer } from 'node:net'
import type { Duplex } from 'node:stream'

export type Door = { readonly origin: string; close(): Promise<void> }

export async function openDoor(connect: (signal: AbortSignal) => Promise<Duplex>, signal: AbortSignal): Promise<Door> {
  const open = new Set<{ destroy(): void }>()
  // Half-open: a client may have said all it has to say, and still wait for the answer.
  const server = createServer({ allowHalfOpen: true }, (near) => {
    open.add(near)
    near.on('error', () => near.destroy())
    near.on('close', () => open.delete(near))
    connect(signal).then(
      (far) => {
        if (near.destroyed) {
          far.destroy()
          return
        }
        // What breaks on one side breaks on the other: the tool must see a lost connection as one.
        far.on('error', () => near.destroy())
        far.on('close', () => near.destroySoon())
        near.on('close', () => far.destroy())
        near.pipe(far).pipe(near)
      },
      () => near.destroy(),
    )
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (typeof address === 'object' && address !== null) resolve(address.port)
      else reject(new Error('no port'))
    })
  })
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((done) => {
        for (const socket of open) socket.destroy()
        server.close(() => done())
      }),
  }
}
