import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyHash } from './body-hash.ts';
import { type Canonicalization, canonicalField } from './canonical-header.ts';
import { readHeader } from './header-section.ts';
import { parseKey, type SigningKey } from './key-file.ts';
import { signatureOf } from './signature.ts';

/** Appendix C of RFC 6376. */
const RFC_6376_KEY = `-----BEGIN RSA PRIVATE KEY-----
MIICXwIBAAKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFC
jxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gb
to/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB
AoGBALmn+XwWk7akvkUlqb+dOxyLB9i5VBVfje89Teolwc9YJT36BGN/l4e0l6QX
/1//6DWUTB3KI6wFcm7TWJcxbS0tcKZX7FsJvUz1SbQnkS54DJck1EZO/BLa5ckJ
gAYIaqlA9C0ZwM6i58lLlPadX/rtHb7pWzeNcZHjKrjM461ZAkEA+itss2nRlmyO
n1/5yDyCluST4dQfO8kAB3toSEVc7DeFeDhnC1mZdjASZNvdHS4gbLIA1hUGEF9m
3hKsGUMMPwJBAPW5v/U+AWTADFCS22t72NUurgzeAbzb1HWMqO4y4+9Hpjk5wvL/
eVYizyuce3/fGke7aRYw/ADKygMJdW8H/OcCQQDz5OQb4j2QDpPZc0Nc4QlbvMsj
7p7otWRO5xRa6SzXqqV3+F0VpqvDmshEBkoCydaYwc2o6WQ5EBmExeV8124XAkEA
qZzGsIxVP+sEVRWZmW6KNFSdVUpk3qzK0Tz/WjQMe5z0UunY9Ax9/4PVhp/j61bf
eAYXunajbBSOLlx4D+TunwJBANkPI5S9iylsbLs6NkaMHV6k5ioHBBmgCak95JGX
GMot/L2x0IYyMLAz6oLWh2hm7zwtb0CgOrPo1ke44hFYnfc=
-----END RSA PRIVATE KEY-----
`;

/** Appendix A.1.2 of RFC 8463. */
const RFC_8463_RSA_KEY = `-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
-----END RSA PRIVATE KEY-----
`;

/** Appendix A.1.1 of RFC 8463: the seed of RFC 8032 §7.1 test 1, here behind the head of PKCS#8. */
const RFC_8463_ED25519_KEY = `-----BEGIN PRIVATE KEY-----
${Buffer.concat([
  Buffer.from('302e020100300506032b657004220420', 'hex'),
  Buffer.from('nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=', 'base64'),
]).toString('base64')}
-----END PRIVATE KEY-----
`;

const MAIL = [
  'From: Joe SixPack <joe@football.example.com>',
  'To: Suzie Q <suzie@shopping.example.net>',
  'Subject: Is dinner ready?',
  'Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)',
  'Message-ID: <20030712040037.46341.5F8J@football.example.com>',
  '',
  'Hi.',
  '',
  'We lost the game.  Are you hungry yet?',
  '',
  'Joe.',
  '',
].join('\r\n');
const BODY_HASH = '2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=';

function keyOf(pem: string): SigningKey {
  const key = parseKey(pem);
  if (typeof key === 'string') assert.fail(key);
  return key;
}

/** Names of `h=` to the fields that they stand for; a name too many stands for nothing. */
function covered(mail: string, names: readonly string[], canonicalization: Canonicalization): string {
  const section = readHeader([Buffer.from(mail)]);
  const left = [...section.fields];
  return names
    .map((name) => {
      const index = left.findLastIndex((field) => field.name === name);
      const [field] = index === -1 ? [] : left.splice(index, 1);
      return field === undefined ? '' : canonicalField(section, field, canonicalization);
    })
    .join('');
}

function hashOf(mail: string, canonicalization: Canonicalization): string {
  const message = [Buffer.from(mail)];
  return bodyHash(message, readHeader(message).bodyStart, canonicalization);
}

const RFC_8463_NAMES = ['from', 'to', 'subject', 'date', 'message-id', 'from', 'subject', 'date'];

test('RFC 8463 appendix A: the Ed25519 signature is the published one, or no receiver can verify ours', async () => {
  const field = [
    'DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;',
    ' d=football.example.com; i=@football.example.com;',
    ' q=dns/txt; s=brisbane; t=1528637909; h=from : to :',
    ' subject : date : message-id : from : subject : date;',
    ` bh=${BODY_HASH};`,
    ' b=',
  ].join('\r\n');
  assert.equal(hashOf(MAIL, 'relaxed'), BODY_HASH);
  const signature = await signatureOf(
    keyOf(RFC_8463_ED25519_KEY),
    covered(MAIL, RFC_8463_NAMES, 'relaxed'),
    field,
    'relaxed',
  );
  assert.equal(
    signature,
    '/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==',
  );
});

test('RFC 8463 appendix A: the RSA signature of the same mail is the published one', async () => {
  const field = [
    'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;',
    ' d=football.example.com; i=@football.example.com;',
    ' q=dns/txt; s=test; t=1528637909; h=from : to : subject :',
    ' date : message-id : from : subject : date;',
    ` bh=${BODY_HASH};`,
    ' b=',
  ].join('\r\n');
  const signature = await signatureOf(
    keyOf(RFC_8463_RSA_KEY),
    covered(MAIL, RFC_8463_NAMES, 'relaxed'),
    field,
    'relaxed',
  );
  assert.equal(
    signature,
    'F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=',
  );
});

test('RFC 6376 appendix A.2: simple canonicalization and RSA give the published signature', async () => {
  const mail = [
    'Received: from client1.football.example.com  [192.0.2.1]',
    '      by submitserver.example.com with SUBMISSION;',
    '      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)',
    // As printed the text has two blanks here; the published hash is that of one, as the errata say.
    MAIL.replace('game.  Are', 'game. Are'),
  ].join('\r\n');
  const field = [
    'DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;',
    '      c=simple/simple; q=dns/txt; i=joe@football.example.com;',
    '      h=Received : From : To : Subject : Date : Message-ID;',
    `      bh=${BODY_HASH};`,
    '      b=;',
  ].join('\r\n');
  assert.equal(hashOf(mail, 'simple'), BODY_HASH);
  const signature = await signatureOf(
    keyOf(RFC_6376_KEY),
    covered(mail, ['received', 'from', 'to', 'subject', 'date', 'message-id'], 'simple'),
    field,
    'simple',
  );
  assert.equal(
    signature,
    'AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHutKVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV4bmp/YzhwvcubU4=',
  );
});

test('RFC 6376 §3.4.5: the canonicalization examples', () => {
  const mail = 'A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n';
  assert.equal(covered(mail, ['a', 'b'], 'relaxed'), 'a:X\r\nb:Y Z\r\n');
  assert.equal(covered(mail, ['a', 'b'], 'simple'), 'A: X\r\nB : Y\t\r\n\tZ  \r\n');
  assert.equal(hashOf(mail, 'relaxed'), hashOf('A: X\r\n\r\n C\r\nD E\r\n', 'simple'));
  assert.equal(hashOf(mail, 'simple'), hashOf('A: X\r\n\r\n C \r\nD \t E\r\n', 'simple'));
});

test('RFC 6376 §3.4.3 and §3.4.4: the hashes of an empty body, with and without an empty line in front', () => {
  for (const mail of ['A: X\r\n', 'A: X\r\n\r\n', 'A: X\r\n\r\n\r\n\r\n']) {
    assert.equal(
      hashOf(mail, 'relaxed'),
      '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
      JSON.stringify(mail),
    );
    assert.equal(
      hashOf(mail, 'simple'),
      'frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=',
      JSON.stringify(mail),
    );
  }
});
