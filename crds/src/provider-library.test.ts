import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  compile,
  effectivePolicy,
  formatProblem,
  PROVIDER_LIBRARY as LIBRARY,
  parseResources,
} from './mod.ts';

function compiledLibrary() {
  const parsed = readdirSync(LIBRARY)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => parseResources(readFileSync(new URL(file, LIBRARY), 'utf8'), file));
  assert.deepEqual(
    parsed.flatMap(({ problems }) => problems.map(formatProblem)),
    [],
  );
  return compile({ resources: parsed.flatMap(({ resources }) => resources) });
}

const { config, statuses } = compiledLibrary();

test('who installs the library gets it whole: no mistake, no dangling name, no two entries that claim the same hosts', () => {
  assert.ok(statuses.length >= 9, `${statuses.length} policies`);
  for (const { name, conditions } of statuses) {
    const stateOf = (type: string) => conditions.find((condition) => condition.type === type)?.status;
    assert.equal(stateOf('Accepted'), 'True', name);
    assert.equal(stateOf('ResolvedRefs'), 'True', name);
    assert.equal(stateOf('Conflicted'), undefined, name);
  }
});

test('the library is below every policy of a user', () => {
  assert.deepEqual([...new Set(config.policies.map(({ priority }) => priority))], [-1000]);
  for (const { default: widest, pools } of config.policies) {
    assert.equal(widest, undefined, 'says nothing about other destinations');
    assert.equal(pools, undefined, 'applies to every pool');
  }
});

const HOSTS = {
  'gmail-smtp-in.l.google.com': 'google',
  'aspmx.l.google.com,alt3.aspmx.l.google.com': 'google',
  'aspmx.l.google.com,aspmx2.googlemail.com': 'google',
  'mta5.am0.yahoodns.net,mta6.am0.yahoodns.net': 'yahoo',
  'mx-aol.mail.gm0.yahoodns.net': 'yahoo',
  'outlook-com.olc.protection.outlook.com': 'microsoft-consumer',
  'hotmail-com.olc.protection.outlook.com': 'microsoft-consumer',
  'contoso-example.mail.protection.outlook.com': 'microsoft-365',
  'contoso-example.a-v1.mx.microsoft': 'microsoft-365',
  'mx01.mail.icloud.com,mx02.mail.icloud.com': 'apple',
  'smtp-in.orange.fr': 'orange',
  'smtpz4.laposte.net': 'laposte',
  'mx00.gmx.net,mx01.gmx.net': 'united-internet',
  'mx-ha02.web.de,mx-ha03.web.de': 'united-internet',
  'eu-smtp-inbound-1.mimecast.com': 'mimecast',
  'd12345a.ess.barracudanetworks.com': 'barracuda',
  '163mx01.mxmail.netease.com': 'netease',
  'mx0a-001b2d01.pphosted.com,mx0b-001b2d01.pphosted.com': 'proofpoint',
  'mxa-0014ca01.gslb.pphosted.com,mxb-0014ca01.gslb.pphosted.com': 'proofpoint',
  'mx1-us1.ppe-hosted.com,mx2-us1.ppe-hosted.com': 'proofpoint',
  'mx00.t-online.de,mx01.t-online.de,mx02.t-online.de,mx03.t-online.de': 't-online',
  'smtp-in.libero.it': 'libero',
  'smtp-in.virgilio.it': 'libero',
  'mx.kpnmail.nl': 'kpn',
  'mxs.mail.ru': 'mail-ru',
  'mx.yandex.ru': 'yandex',
  'mx.yandex.net': 'yandex',
  'mx1.naver.com,mx2.naver.com,mx3.naver.com': 'naver',
  'mx.uol.com.br': 'uol',
  'mail.company.example': '',
  'aspmx.l.google.com,mail.company.example': '',
  'notgoogle.com': '',
  'protection.outlook.com': '',
} as const;

test('mail to a domain on a known host gets the limits of its provider, and none on a host that only looks alike', () => {
  const pool = 'any';
  for (const [hosts, group] of Object.entries(HOSTS))
    assert.equal(effectivePolicy(config, pool, 'company.example', hosts.split(',')).group, group, hosts);
});

test('every entry bounds connections, so that a mistaken name cannot leave a provider without limit', () => {
  for (const { destinations } of config.policies) {
    for (const { name, limits = [], match } of destinations) {
      assert.ok(Object.keys(match).length > 0, name);
      assert.ok(
        limits.some(({ bounds, per }) => bounds.connections !== undefined && per?.includes('Source')),
        name,
      );
    }
  }
});

test('each number and each reaction names where it comes from', () => {
  for (const file of readdirSync(LIBRARY)) {
    const lines = readFileSync(new URL(file, LIBRARY), 'utf8').split('\n');
    let inReactions = false;
    for (const [index, line] of lines.entries()) {
      if (/^ {4}- name: /.test(line)) inReactions = false;
      if (line === '      reactions:') inReactions = true;
      const isReaction = inReactions && /^ {8}- name: /.test(line);
      const isNumber = /messagesPerConnection:|connections: \d+|level:|idleTimeout:/.test(line);
      if (!isReaction && (!isNumber || line.includes('setLimit'))) continue;
      const sourced = line.includes('#') || lines[index - 1]?.trimStart().startsWith('#');
      assert.ok(sourced, `${file}:${index + 1} ${line}`);
    }
  }
});
