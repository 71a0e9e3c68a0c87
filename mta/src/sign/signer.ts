import type { DkimRuleSettings, DkimSettings, DkimSignatureSettings } from '../config/mod.ts';
import { authorDomain } from './author-domain.ts';
import { bodyHash } from './body-hash.ts';
import type { Canonicalization } from './canonical-header.ts';
import { type CoveredHeader, coveredHeader, type HeaderPolicy, headerPolicy } from './header-list.ts';
import { type HeaderSection, readHeader } from './header-section.ts';
import type { SigningKey } from './key-file.ts';
import { fillTemplate } from './key-path.ts';
import type { KeyStore } from './key-store.ts';
import type { MessageBytes } from './message-bytes.ts';
import { ruleChoice } from './rule-choice.ts';
import { signatureOf } from './signature.ts';
import { unsignedField, withSignature } from './signature-field.ts';

/** A signature that could not be made. */
export interface MissingKey {
  readonly rule: string;
  /** `d=`. */
  readonly domain: string;
  readonly selector: string;
  readonly file: string;
  /** In words: `there is no such file`. */
  readonly reason: string;
}

/** What became of a message. */
export type SignResult =
  | {
      /** `fields` goes in front of the message; it holds `signatures` ≥ 1 DKIM-Signature fields. */
      readonly kind: 'signed';
      readonly rule: string;
      readonly fields: Buffer;
      readonly signatures: number;
      /** Those whose `onMissingKey` is `SendUnsigned`. */
      readonly leftOut: readonly MissingKey[];
    }
  /** No rule asks for a signature, or only such as may be left out. */
  | {
      readonly kind: 'unsigned';
      /** `''` = none matches. */
      readonly rule: string;
      readonly leftOut: readonly MissingKey[];
    }
  | { readonly kind: 'missing-key'; readonly onMissingKey: 'Refuse' | 'Hold'; readonly missing: MissingKey }
  /** No key could ever sign it: the rule needs the author's domain, and From does not name exactly one, or a tenant, and there is none. */
  | { readonly kind: 'unsignable'; readonly reason: string };

/** Signs messages as the rules of `spec.dkim` say (RFC 6376, RFC 8463). */
export interface Signer {
  /**
   * Chooses the rule, hashes the header and, once for each body canonicalization, the body on this thread, and makes the signatures on libuv's.
   *
   * Example: `const result = await signer.sign(envelope, body); if (result.kind === 'signed') body = [result.fields, ...body];`
   */
  sign(mail: { readonly tenant: string }, message: MessageBytes): Promise<SignResult>;
}

interface Signature extends DkimSignatureSettings {
  readonly header: Canonicalization;
  readonly body: Canonicalization;
}

interface Rule {
  readonly name: string;
  readonly policy: HeaderPolicy;
  readonly signatures: readonly Signature[];
}

/** A signature with everything that it needs. */
interface Ready {
  readonly signature: Signature;
  readonly domain: string;
  readonly key: SigningKey;
}

const NONE: readonly MissingKey[] = [];
const UNSIGNED: SignResult = { kind: 'unsigned', rule: '', leftOut: NONE };

/** @param wallMs wall time, milliseconds since 1970: `t=` and `x=` */
export function createSigner(
  settings: DkimSettings,
  keys: Pick<KeyStore, 'get'>,
  wallMs: () => number = Date.now,
): Signer {
  const choose = ruleChoice(settings.rules);
  const rules = new Map(settings.rules.map((rule) => [rule, ruleOf(rule)]));
  return {
    async sign({ tenant }, message) {
      const section = readHeader(message);
      const author = authorDomain(section);
      const chosen = choose(author, tenant);
      const rule = chosen === undefined ? undefined : rules.get(chosen);
      if (rule === undefined) return UNSIGNED;
      const found = await findKeys(rule, author, tenant, keys);
      if ('kind' in found) return found;
      const { ready, leftOut } = found;
      if (ready.length === 0) return { kind: 'unsigned', rule: rule.name, leftOut };
      const signedAt = Math.floor(wallMs() / 1000);
      const fields = await makeFields(ready, rule.policy, section, message, signedAt);
      return {
        kind: 'signed',
        rule: rule.name,
        fields: Buffer.from(fields.join(''), 'latin1'),
        signatures: ready.length,
        leftOut,
      };
    },
  };
}

function ruleOf(rule: DkimRuleSettings): Rule {
  return {
    name: rule.name,
    policy: headerPolicy(rule.signedHeaders, rule.overSign, rule.overSignPresent),
    signatures: rule.signatures.map((signature) => ({
      ...signature,
      header: signature.canonicalization.startsWith('relaxed') ? 'relaxed' : 'simple',
      body: signature.canonicalization.endsWith('relaxed') ? 'relaxed' : 'simple',
    })),
  };
}

async function findKeys(
  rule: Rule,
  author: string,
  tenant: string,
  keys: Pick<KeyStore, 'get'>,
): Promise<{ readonly ready: readonly Ready[]; readonly leftOut: readonly MissingKey[] } | SignResult> {
  const ready: Ready[] = [];
  const leftOut: MissingKey[] = [];
  let held: SignResult | undefined;
  for (const signature of rule.signatures) {
    const { selector } = signature;
    const domain = fillTemplate(signature.domain, { domain: author, selector, tenant });
    if (domain === undefined) {
      if (signature.onMissingKey !== 'SendUnsigned') return NO_AUTHOR;
      continue;
    }
    // The author's domain may be the second signature's own.
    if (ready.some((each) => each.domain === domain && each.signature.selector === selector)) continue;
    const file = fillTemplate(signature.keyFile, { domain, selector, tenant });
    if (file === undefined) {
      if (signature.onMissingKey !== 'SendUnsigned') return NO_TENANT;
      continue;
    }
    const known = keys.get(file);
    const key = known instanceof Promise ? await known : known;
    if (!('flaw' in key)) {
      ready.push({ signature, domain, key });
      continue;
    }
    const missing = { rule: rule.name, domain, selector, file, reason: key.flaw };
    if (signature.onMissingKey === 'Refuse') return { kind: 'missing-key', onMissingKey: 'Refuse', missing };
    if (signature.onMissingKey === 'Hold') held ??= { kind: 'missing-key', onMissingKey: 'Hold', missing };
    else leftOut.push(missing);
  }
  return held ?? { ready, leftOut };
}

const NO_AUTHOR: SignResult = { kind: 'unsignable', reason: 'From does not name exactly one domain' };
const NO_TENANT: SignResult = { kind: 'unsignable', reason: 'it has no tenant, or one that names no key' };

/** The fields in the order of the rule: the first signature stands on top. */
function makeFields(
  ready: readonly Ready[],
  policy: HeaderPolicy,
  section: HeaderSection,
  message: MessageBytes,
  signedAt: number,
): Promise<readonly string[]> {
  const bodies = new Map<Canonicalization, string>();
  const headers = new Map<Canonicalization, CoveredHeader>();
  return Promise.all(
    ready.map(async ({ signature, domain, key }) => {
      const hash = once(bodies, signature.body, () => bodyHash(message, section.bodyStart, signature.body));
      const covered = once(headers, signature.header, () => coveredHeader(section, policy, signature.header));
      const field = unsignedField({
        algorithm: key.algorithm,
        canonicalization: signature.canonicalization,
        domain,
        selector: signature.selector,
        signedAt,
        ...(signature.expireAfterMs === undefined
          ? {}
          : { expiresAt: signedAt + Math.ceil(signature.expireAfterMs / 1000) }),
        headers: covered.names,
        bodyHash: hash,
      });
      return withSignature(field, await signatureOf(key, covered.canonical, field, signature.header));
    }),
  );
}

function once<K, V>(made: Map<K, V>, key: K, make: () => V): V {
  const known = made.get(key);
  if (known !== undefined) return known;
  const value = make();
  made.set(key, value);
  return value;
}
