import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type Pair } from 'yaml';

/** Levels of lists and maps; resources need a dozen. The library that expands them calls itself for each. */
const MAX_DEPTH = 64;
/** Aliases of a document: enough for labels of all its sources. The library looks each up among all others. */
export const MAX_ALIASES = 5_000;
/** Anchors that are built from aliases: to follow a chain of them takes the square of its length. */
const MAX_BUILT_ANCHORS = 250;

export interface YamlBounds {
  /** Why the document would take more time or stack to expand than any resource does; absent = it is fine. */
  readonly tooComplex?: Finding;
  /** Where keys begin that their map had already. The library compares each key with all others: a minute for 50,000. */
  readonly repeatedKeys: readonly number[];
}

interface Finding {
  /** Fits after "cannot be expanded:". */
  readonly reason: string;
  /** Where it begins, in characters of the file. */
  readonly offset: number;
}

interface Step {
  readonly node: unknown;
  readonly depth: number;
  /** The nearest node around it that has an anchor. */
  readonly anchor: Node | undefined;
}

/** Looks through a document before it is expanded: in one pass, without recursion, so that no text can stop the process. */
export function yamlBounds(document: Document): YamlBounds {
  const steps: Step[] = [{ node: document.contents, depth: 0, anchor: undefined }];
  const repeatedKeys: number[] = [];
  const stop = (reason: string, node: Node | null): YamlBounds => ({
    tooComplex: { reason, offset: node?.range?.[0] ?? 0 },
    repeatedKeys,
  });
  const builtAnchors = new Set<Node>();
  let aliases = 0;
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    const { node, depth } = step;
    if (isAlias(node) && ++aliases > MAX_ALIASES)
      return stop(`it has more than ${MAX_ALIASES} aliases`, node);
    if (isAlias(node) && step.anchor !== undefined) builtAnchors.add(step.anchor);
    if (builtAnchors.size > MAX_BUILT_ANCHORS)
      return stop('too many anchors are built from aliases', step.anchor ?? document.contents);
    if (!isMap(node) && !isSeq(node)) continue;
    if (depth > MAX_DEPTH) return stop('it is nested too deeply', node);
    const anchor = node.anchor === undefined ? step.anchor : node;
    const add = (inner: unknown) => steps.push({ node: inner, depth: depth + 1, anchor });
    if (isSeq(node)) for (const item of node.items) add(item);
    else {
      const keys = new Set<string>();
      for (const { key, value } of node.items) {
        const text = keyText(key);
        if (text === undefined) return stop('a key is more than one text', node);
        if (keys.has(text)) repeatedKeys.push(isScalar(key) ? (key.range?.[0] ?? 0) : 0);
        keys.add(text);
        add(value);
      }
    }
  }
  return { repeatedKeys: repeatedKeys.toSorted((a, b) => a - b) };
}

/** The member that a key becomes; `undefined` = it is no single value. */
function keyText(key: Pair['key']): string | undefined {
  if (key === null) return '';
  return isScalar(key) ? String(key.value ?? '') : undefined;
}
