import { type ErrorCode, errorText, type Problem, yamlBounds } from '@sluice/crds';
import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml';

/** A place in the parsed tree: `['spec', 'routes', 0, 'domain']`. */
export type FieldPath = readonly PropertyKey[];

/** One YAML document that still knows where each field was written. */
export interface YamlSource {
  readonly file: string;
  /** The plain value, not yet checked. */
  readonly value: unknown;
  /**
   * Builds a problem at a field. A field that is absent is shown where its parent is. With `key` the place is
   * that of a member's name, not of its value.
   */
  problem(code: ErrorCode, path: FieldPath, what: string, cure: string, key?: string): Problem;
}

/**
 * Parses the text of one file. Duplicate keys and bad indentation are problems, not exceptions.
 *
 * Example: `parseYamlSource('a: 1\na: 2\n', 'x.yaml')` → `{ problems: [{ line: 2, what: 'Map keys must be unique.', … }] }`
 */
export function parseYamlSource(
  text: string,
  file: string,
): { readonly source: YamlSource } | { readonly problems: readonly Problem[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const several = document.errors.find(({ code }) => code === 'MULTIPLE_DOCS');
  if (several !== undefined) {
    const code = 'SLUICE_YAML_SYNTAX';
    const what = 'A settings file is one document, and here a second one begins.';
    const cure = 'Move EgressPools and ShapingPolicies to files in the directory of spec.resources.';
    return { problems: [{ code, file, ...place(lines, several.pos[0]), field: '', what, cure }] };
  }
  if (document.errors.length > 0) {
    return {
      problems: document.errors.map((error) => ({
        code: 'SLUICE_YAML_SYNTAX',
        file,
        ...place(lines, error.pos[0]),
        field: '',
        what: `This is not valid YAML: ${sentence(error.message)}`,
        cure: 'Correct the syntax at this line; indentation is spaces only, each key appears once.',
      })),
    };
  }
  const value = expanded(document);
  if ('reason' in value) {
    const code = 'SLUICE_YAML_TOO_COMPLEX';
    return {
      problems: [
        {
          code,
          file,
          ...place(lines, value.offset),
          field: '',
          ...errorText(code, { reason: value.reason }),
        },
      ],
    };
  }
  const problem: YamlSource['problem'] = (code, path, what, cure, key) => ({
    code,
    file,
    ...place(lines, offsetOf(document, path, key)),
    field: fieldName(key === undefined ? path : [...path, key]),
    what,
    cure,
  });
  return { source: { file, value: value.value, problem } };
}

function expanded(
  document: Document,
): { readonly value: unknown } | { readonly reason: string; readonly offset: number } {
  const { tooComplex } = yamlBounds(document);
  if (tooComplex !== undefined) return tooComplex;
  try {
    return { value: document.toJS() };
  } catch (error) {
    // An alias without its anchor, or aliases that stand for too much.
    const reason = error instanceof Error ? error.message.split('\n')[0] : undefined;
    return { reason: (reason ?? 'unknown').replace(/[.:]+$/, ''), offset: 0 };
  }
}

/** `['spec', 'routes', 0, 'domain']` → `spec.routes[0].domain`. */
export function fieldName(path: FieldPath): string {
  return path.reduce<string>((name, part) => {
    if (typeof part === 'number') return `${name}[${part}]`;
    return name === '' ? String(part) : `${name}.${String(part)}`;
  }, '');
}

function offsetOf(document: Document.Parsed, path: FieldPath, key: string | undefined): number {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (!isNode(node)) continue;
    if (key !== undefined && length === path.length && isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key);
      if (pair !== undefined && isNode(pair.key)) return pair.key.range?.[0] ?? 0;
    }
    return node.range?.[0] ?? 0;
  }
  return 0;
}

function place(lines: LineCounter, offset: number): { readonly line: number; readonly column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
