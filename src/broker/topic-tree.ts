/** A tree of topic levels: finds the filters that match a topic, and the topics that match a filter, by walking levels. */

interface Node<V> {
  value: V | undefined
  children: Map<string, Node<V>> | undefined
}

function makeNode<V>(): Node<V> {
  return { value: undefined, children: undefined }
}

/** Values by topic or topic filter. */
export class TopicTree<V> {
  readonly #root: Node<V> = makeNode()
  #size = 0

  /** How many values it holds. */
  get size(): number {
    return this.#size
  }

  get(path: string): V | undefined {
    let node: Node<V> | undefined = this.#root
    for (const level of path.split('/')) {
      node = node.children?.get(level)
      if (node === undefined) return undefined
    }
    return node.value
  }

  set(path: string, value: V): void {
    let node = this.#root
    for (const level of path.split('/')) {
      node.children ??= new Map()
      let child = node.children.get(level)
      if (child === undefined) {
        child = makeNode()
        node.children.set(level, child)
      }
      node = child
    }
    if (node.value === undefined) this.#size++
    node.value = value
  }

  delete(path: string): boolean {
    const levels = path.split('/')
    const trail: Node<V>[] = [this.#root]
    for (const level of levels) {
      const child = trail[trail.length - 1]?.children?.get(level)
      if (child === undefined) return false
      trail.push(child)
    }
    const last = trail[trail.length - 1]
    if (last === undefined || last.value === undefined) return false
    last.value = undefined
    this.#size--
    // Branches that lead nowhere any more are cut, so that coming and going topics leave nothing behind.
    for (let depth = levels.length; depth > 0; depth--) {
      const node = trail[depth]
      if (node === undefined || node.value !== undefined || (node.children?.size ?? 0) > 0) break
      trail[depth - 1]?.children?.delete(levels[depth - 1] ?? '')
    }
    return true
  }

  clear(): void {
    this.#root.children = undefined
    this.#root.value = undefined
    this.#size = 0
  }

  values(): V[] {
    const values: V[] = []
    valuesBelow(this.#root, (value) => values.push(value))
    return values
  }

  /** Calls `found` with the value of each stored filter that matches a topic. Takes time by matches, not by filters. */
  matchTopic(topic: string, found: (value: V) => void): void {
    if (this.#size === 0) return
    const levels = topic.split('/')
    // Wildcards in the first level do not match topics that begin with $ [MQTT-4.7.2-1].
    matchLevels(this.#root, levels, 0, topic.charCodeAt(0) !== 36, found)
  }

  /** Calls `found` with the value of each stored topic that matches a filter. */
  matchFilter(filter: string, found: (value: V) => void): void {
    if (this.#size > 0) matchWildcards(this.#root, filter.split('/'), 0, found)
  }
}

function matchLevels<V>(node: Node<V>, levels: readonly string[], depth: number, wildcards: boolean, found: (value: V) => void): void {
  const { children } = node
  if (depth === levels.length) {
    if (node.value !== undefined) found(node.value)
    // 'a/#' matches 'a' as well.
    const below = children?.get('#')?.value
    if (below !== undefined) found(below)
    return
  }
  if (children === undefined) return
  const exact = children.get(levels[depth] ?? '')
  if (exact !== undefined) matchLevels(exact, levels, depth + 1, true, found)
  if (!wildcards) return
  const plus = children.get('+')
  if (plus !== undefined) matchLevels(plus, levels, depth + 1, true, found)
  const all = children.get('#')?.value
  if (all !== undefined) found(all)
}

function matchWildcards<V>(node: Node<V>, levels: readonly string[], depth: number, found: (value: V) => void): void {
  if (depth === levels.length) {
    if (node.value !== undefined) found(node.value)
    return
  }
  const level = levels[depth] ?? ''
  if (level === '#') {
    if (depth > 0 && node.value !== undefined) found(node.value)
    for (const [name, child] of node.children ?? []) if (depth > 0 || !name.startsWith('$')) valuesBelow(child, found)
    return
  }
  if (level === '+') {
    for (const [name, child] of node.children ?? []) if (depth > 0 || !name.startsWith('$')) matchWildcards(child, levels, depth + 1, found)
    return
  }
  const child = node.children?.get(level)
  if (child !== undefined) matchWildcards(child, levels, depth + 1, found)
}

function valuesBelow<V>(node: Node<V>, found: (value: V) => void): void {
  if (node.value !== undefined) found(node.value)
  if (node.children !== undefined) for (const child of node.children.values()) valuesBelow(child, found)
}
