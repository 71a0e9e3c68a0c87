import {
  type Alias,
  Composer,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  Parser,
  visit,
} from 'yaml';
import type { FieldPath } from './field-path.ts';
import type { Finding, Problem } from './problem.ts';
import { problemOf } from './problem.ts';
import { MAX_ALIASES, yamlBounds } from './yaml-bounds.ts';

/** How the library begins when an alias comes before its anchor. */
const UNRESOLVED = /^Unresolved alias/;
/** Findings told per document; the first ones matter, the others follow from them. */
const MAX_FINDINGS = 50;

export interface WrittenPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

const TOO_DEEP = 'it is nested too deeply';

/** One document of a file that still knows where each field was written. */
export interface YamlDocument {
  /** The plain value, not yet checked; with syntax problems what could be read of it, if anything. */
  readonly value: unknown;
  readonly syntaxProblems: readonly Problem[];
  /** Where the document's content begins. */
  readonly place: WrittenPlace;
  /** Where a field's value was written; of an absent one, where its parent is. */
  placeOf(path: FieldPath): WrittenPlace;
  /** Adds the place to a finding. A field that is absent is shown where its parent is. */
  locate(finding: Finding): Problem;
}

/**
 * The documents of a file, one after the other; empty ones are left out. Never throws: what cannot be read is a problem, after
 * which nothing follows. A document is made when it is asked for, so that of a large file one at a time is in memory with all its places.
 */
export function* readYamlDocuments(
  text: string,
  file: string,
): Generator<{ readonly document: YamlDocument } | { readonly problem: Problem }> {
  const lines = new LineCounter();
  const documents = new Composer({ uniqueKeys: false }).compose(new Parser(lines.addNewLine).parse(text));
  try {
    for (const document of documents) {
      if (isEmpty(document) && document.errors.length === 0) continue;
      yield { document: readDocument(document, file, lines) };
    }
  } catch (error) {
    // Nesting deeper than the parser's stack ends in a RangeError.
    yield { problem: tooComplex(reasonOf(error), { file, line: 1, column: 1 }) };
  }
}

function isEmpty(document: Document): boolean {
  return document.contents === null || (isScalar(document.contents) && document.contents.value === null);
}

function readDocument(document: Document, file: string, lines: LineCounter): YamlDocument {
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const place = at(document.contents?.range?.[0] ?? document.range?.[0] ?? 0);
  const syntaxProblem = (reason: string, offset: number) =>
    problemOf({ code: 'SLUICE_YAML_SYNTAX', path: [], parameters: { reason } }, at(offset));
  const { tooComplex: excess, repeatedKeys } = yamlBounds(document);
  const syntaxProblems = [
    ...[...document.errors, ...document.warnings].map(({ message, pos }) =>
      // The parser reports the end of its own stack as a mistake of the text.
      message.startsWith('Maximum call stack')
        ? tooComplex(TOO_DEEP, at(pos[0]))
        : syntaxProblem(clause(message), pos[0]),
    ),
    ...repeatedKeys.map((offset) => syntaxProblem('Map keys must be unique', offset)),
    ...(excess === undefined ? [] : [tooComplex(excess.reason, at(excess.offset))]),
  ].slice(0, MAX_FINDINGS);
  const placeOf = (path: FieldPath) => at(offsetOf(document, path, false) ?? 0);
  const locate = (finding: Finding) =>
    problemOf(finding, at(offsetOf(document, finding.path, finding.atKey === true) ?? 0));
  if (excess !== undefined) return { value: undefined, syntaxProblems, place, placeOf, locate };
  try {
    return { value: document.toJS({ maxAliasCount: MAX_ALIASES }), syntaxProblems, place, placeOf, locate };
  } catch (error) {
    const alias = UNRESOLVED.test(reasonOf(error)) ? firstUnresolvedAlias(document) : undefined;
    const problems =
      document.errors.length > 0
        ? syntaxProblems
        : [tooComplex(reasonOf(error), alias === undefined ? place : at(alias.range?.[0] ?? 0))];
    return { value: undefined, syntaxProblems: problems, place, placeOf, locate };
  }
}

function tooComplex(reason: string, place: WrittenPlace): Problem {
  return problemOf({ code: 'SLUICE_YAML_TOO_COMPLEX', path: [], parameters: { reason } }, place);
}

function reasonOf(error: unknown): string {
  if (error instanceof RangeError) return TOO_DEEP;
  return clause(error instanceof Error ? error.message : 'unknown');
}

function firstUnresolvedAlias(document: Document): Alias | undefined {
  let found: Alias | undefined;
  visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) !== undefined) return undefined;
      found = alias;
      return visit.BREAK;
    },
  });
  return found;
}

/** Where a field's value, or its name, was written; of the nearest parent that is there otherwise. */
function offsetOf(document: Document, path: FieldPath, atKey: boolean): number | undefined {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0];
  for (let depth = 0; depth < path.length; depth++) {
    const part = path[depth];
    const container: Node | null | undefined = isAlias(node) ? node.resolve(document) : node;
    let next: unknown;
    if (isMap(container)) {
      const pair = container.items.find((item) => keyText(item) === String(part));
      if (pair === undefined) return offset;
      if (atKey && depth === path.length - 1) return isScalar(pair.key) ? pair.key.range?.[0] : offset;
      next = pair.value;
      if (next === null && isScalar(pair.key)) return pair.key.range?.[0] ?? offset;
    } else if (isSeq(container) && typeof part === 'number') {
      next = container.items[part];
    } else return offset;
    if (!isScalar(next) && !isMap(next) && !isSeq(next) && !isAlias(next)) return offset;
    node = next;
    offset = node.range?.[0] ?? offset;
  }
  return offset;
}

function keyText(item: Pair): string | undefined {
  return isPair(item) && isScalar(item.key) ? String(item.key.value) : undefined;
}

/** A library's message as part of a sentence of ours. */
function clause(message: string): string {
  return message.replace(/\s+/g, ' ').replace(/[.!:]+$/, '');
}
