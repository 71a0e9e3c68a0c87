import type { CornerPlan, Step, Trouble } from './corner-host.fixture.ts';

/**
 * Every corner of delivery: what a host does in which phase, and what becomes of message, host, session and lane. `corners.test.ts` plays each line
 * on real sockets, and compares the table in docs/reference/delivery.md with this one.
 */
export interface Corner {
  readonly phase: string;
  /** What happens, as the documentation says it. */
  readonly what: string;
  readonly plan: CornerPlan;
  readonly expected: Expected;
  readonly setup?: CornerSetup;
}

export interface CornerSetup {
  readonly level?: 'Disabled' | 'Opportunistic' | 'Encrypt' | 'Verify';
  /** The root of the hosts' certificate is trusted. */
  readonly trust?: boolean;
  readonly auth?: boolean;
  readonly recipients?: number;
  readonly bodyBytes?: number;
  readonly eightBit?: boolean;
  readonly smtputf8?: boolean;
  /** The phase whose timeout is short. */
  readonly timeout?: string;
  readonly dial?: 'refused' | 'unanswered';
  /** Another message waits behind, so that the lane is still there afterwards. */
  readonly companion?: boolean;
}

export interface Expected {
  /** `again at once` = delivered, without an attempt being charged for what happened; `each its own` is spelt out in `outcomes`. */
  readonly message: string;
  /** `next` = the next host of the MX list was tried for the same message. */
  readonly host: 'next' | 'stays';
  /** `another` = the message went over another connection to the same host. */
  readonly session: 'none' | 'goes on' | 'over' | 'another';
  readonly lane: 'pauses' | 'goes on';
  /** Where recipients differ: of each, in their order. */
  readonly outcomes?: readonly string[];
}

type Line = readonly [what: string, does: Trouble, message: string, setup?: CornerSetup];

/** Lines of one phase that end the same way but for the message. */
function lines(
  phase: string,
  at: Step,
  rest: Omit<Expected, 'message' | 'outcomes'>,
  entries: readonly Line[],
  plan: Omit<CornerPlan, 'troubles'> = {},
): readonly Corner[] {
  return entries.map(([what, does, message, setup]) => ({
    phase,
    what,
    plan: { ...plan, troubles: [{ at, does }] },
    expected: { message, ...rest },
    ...(setup === undefined ? {} : { setup }),
  }));
}

const NEXT = { host: 'next', session: 'none', lane: 'pauses' } as const;
const GOES_ON = { host: 'stays', session: 'goes on', lane: 'goes on' } as const;
/** The first transaction of a session ended it: the host refuses mail as such. */
const REFUSES = { host: 'stays', session: 'over', lane: 'pauses' } as const;
const OVER = { host: 'stays', session: 'over', lane: 'goes on' } as const;
const ANOTHER = { host: 'stays', session: 'another', lane: 'goes on' } as const;

const GARBAGE = { say: '\0\0 what?\r\n' };
const DISAGREES = { say: '250-yes\r\n550 no\r\n' };
const LONG_LINE = { say: `250 ${'x'.repeat(40_000)}\r\n` };
const MANY_LINES = { say: '250-x\r\n'.repeat(6_000) };
const CLOSED = '421 4.4.2';
const NONSENSE = '451 4.5.0';

/** What ends any phase before MAIL: the next host is tried. */
const opening = (phase: string, at: Step, timeout: string, plan: Omit<CornerPlan, 'troubles'> = {}) =>
  lines(
    phase,
    at,
    NEXT,
    [
      ['4xx', { say: '450 4.7.1 later\r\n' }, 'transient 450 4.7.1'],
      ['421', { say: '421 4.3.2 busy\r\n' }, 'transient 421 4.3.2'],
      ['no answer', 'is silent', `transient ${CLOSED}`, { timeout }],
      ['does not even read', 'is deaf', `transient ${CLOSED}`, { timeout }],
      ['lines of a reply that never ends', 'drips', `transient ${CLOSED}`, { timeout }],
      ['closed', 'closes', `transient ${CLOSED}`],
      ['reset', 'resets', `transient ${CLOSED}`],
      ['no SMTP', GARBAGE, `transient ${NONSENSE}`],
      ['lines of one reply with codes that differ', DISAGREES, `transient ${NONSENSE}`],
      ['a line longer than 32 KiB', LONG_LINE, `transient ${NONSENSE}`],
      ['a reply of more than 32 KiB', MANY_LINES, `transient ${NONSENSE}`],
    ],
    plan,
  );

/** What ends any phase of a transaction, in the first one of a session. */
const transaction = (phase: string, at: Step, timeout: string, plan: Omit<CornerPlan, 'troubles'> = {}) =>
  lines(
    phase,
    at,
    REFUSES,
    [
      ['421', { say: '421 4.3.2 busy\r\n' }, 'transient 421 4.3.2'],
      ['no answer', 'is silent', `transient ${CLOSED}`, { timeout }],
      ['does not even read', 'is deaf', `transient ${CLOSED}`, { timeout }],
      ['lines of a reply that never ends', 'drips', `transient ${CLOSED}`, { timeout }],
      ['closed', 'closes', `transient ${CLOSED}`],
      ['reset', 'resets', `transient ${CLOSED}`],
      ['no SMTP', GARBAGE, `transient ${NONSENSE}`],
      ['lines of one reply with codes that differ', DISAGREES, `transient ${NONSENSE}`],
      ['a line longer than 32 KiB', LONG_LINE, `transient ${NONSENSE}`],
      ['a reply of more than 32 KiB', MANY_LINES, `transient ${NONSENSE}`],
    ],
    plan,
  );

/** The same after the session has carried a message: it speaks of the session, not of the site. */
const later = (phase: string, at: Step, timeout: string, plan: Omit<CornerPlan, 'troubles'> = {}) =>
  lines(
    `${phase}, later`,
    at,
    OVER,
    [
      ['421', { say: '421 4.7.0 enough\r\n' }, 'transient 421 4.7.0'],
      ['no answer', 'is silent', `transient ${CLOSED}`, { timeout }],
      ['no SMTP', GARBAGE, `transient ${NONSENSE}`],
    ],
    { after: 1, ...plan },
  );

const PIPELINED = { extensions: ['PIPELINING'] };
const CHUNKED = { extensions: ['PIPELINING', 'CHUNKING'] };
const TLS = { extensions: ['STARTTLS'] };
const AUTH = { extensions: ['AUTH PLAIN'] };
const BROKEN_HANDSHAKE = { say: 'this is no TLS record, whatever else it may be\r\n' };

const connect: readonly Corner[] = [
  {
    phase: 'Connect',
    what: 'refused',
    plan: { troubles: [] },
    setup: { dial: 'refused' },
    expected: { message: 'transient 421 4.4.1', ...NEXT },
  },
  {
    phase: 'Connect',
    what: 'no answer',
    plan: { troubles: [] },
    setup: { dial: 'unanswered', timeout: 'connect' },
    expected: { message: 'transient 421 4.4.1', ...NEXT },
  },
];

const ehlo: readonly Corner[] = [
  {
    phase: 'Ehlo',
    what: '5xx: HELO, no extensions',
    plan: { ...CHUNKED, troubles: [{ at: 'Ehlo', does: { say: '502 5.5.1 what\r\n' } }] },
    expected: { message: 'delivered', ...GOES_ON },
  },
  {
    phase: 'Ehlo',
    what: '5xx, to HELO too',
    plan: {
      troubles: [
        { at: 'Ehlo', does: { say: '550 5.7.1 no\r\n' } },
        { at: 'Helo', does: { say: '550 5.7.1 not you\r\n' } },
      ],
    },
    setup: { companion: true },
    expected: { message: 'permanent 550 5.7.1', ...NEXT },
  },
];

const tls = (
  level: NonNullable<CornerSetup['level']>,
  entries: readonly (readonly [string, CornerPlan, Expected, CornerSetup?])[],
): readonly Corner[] =>
  entries.map(([what, plan, expected, setup]) => ({
    phase: `StartTls, \`${level}\``,
    what,
    plan,
    expected,
    setup: { level, ...setup },
  }));

const NOT_OFFERED: CornerPlan = { troubles: [] };
const REFUSED: CornerPlan = {
  ...TLS,
  troubles: [{ at: 'StartTls', does: { say: '454 4.7.0 not now\r\n' } }],
};
const BROKEN: CornerPlan = { ...TLS, troubles: [{ at: 'Handshake', does: BROKEN_HANDSHAKE }] };
const HANGS: CornerPlan = { ...TLS, troubles: [{ at: 'Handshake', does: 'is silent' }] };
const CUT: CornerPlan = { ...TLS, troubles: [{ at: 'Handshake', does: 'closes' }] };
const INJECTED: CornerPlan = {
  ...TLS,
  troubles: [{ at: 'StartTls', does: { say: '220 go\r\n250-mx.example\r\n250 AUTH PLAIN\r\n' } }],
};

const startTls: readonly Corner[] = [
  ...tls('Opportunistic', [
    ['not offered: in clear', NOT_OFFERED, { message: 'delivered', ...GOES_ON }],
    ['refused: in clear', REFUSED, { message: 'delivered', ...GOES_ON }],
    ['handshake fails: in clear on another connection', BROKEN, { message: 'delivered', ...ANOTHER }],
    [
      'no answer in the handshake: in clear on another connection',
      HANGS,
      { message: 'delivered', ...ANOTHER },
      { timeout: 'startTls' },
    ],
    ['handshake cut off: in clear on another connection', CUT, { message: 'delivered', ...ANOTHER }],
    [
      'certificate for another name, of an unknown root: taken',
      { ...TLS, troubles: [] },
      { message: 'delivered', ...GOES_ON },
    ],
  ]),
  ...tls('Encrypt', [
    [
      'not offered, or stripped from the reply to EHLO',
      NOT_OFFERED,
      { message: 'transient 451 4.7.4', ...NEXT },
    ],
    ['refused', REFUSED, { message: 'transient 454 4.7.0', ...NEXT }],
    ['handshake fails', BROKEN, { message: 'transient 451 4.7.5', ...NEXT }],
    [
      'no answer in the handshake',
      HANGS,
      { message: `transient ${CLOSED}`, ...NEXT },
      { timeout: 'startTls' },
    ],
    ['handshake cut off', CUT, { message: 'transient 451 4.7.5', ...NEXT }],
    ['octets in clear behind the reply to STARTTLS', INJECTED, { message: `transient ${NONSENSE}`, ...NEXT }],
    [
      'certificate for another name, of an unknown root: taken',
      { ...TLS, troubles: [] },
      { message: 'delivered', ...GOES_ON },
    ],
  ]),
  ...tls('Verify', [
    [
      'not offered, or stripped from the reply to EHLO',
      NOT_OFFERED,
      { message: 'transient 451 4.7.4', ...NEXT },
    ],
    ['certificate of an unknown root', { ...TLS, troubles: [] }, { message: 'transient 451 4.7.5', ...NEXT }],
    [
      'certificate for another name',
      { ...TLS, troubles: [] },
      { message: 'transient 451 4.7.5', ...NEXT },
      { trust: true },
    ],
  ]),
];

const auth: readonly Corner[] = [
  ...lines(
    'Auth',
    'Auth',
    NEXT,
    [
      ['5xx', { say: '535 5.7.8 no\r\n' }, 'transient 535 5.7.8', { auth: true }],
      ['4xx', { say: '454 4.7.0 later\r\n' }, 'transient 454 4.7.0', { auth: true }],
      ['no answer', 'is silent', `transient ${CLOSED}`, { auth: true, timeout: 'auth' }],
      ['closed', 'closes', `transient ${CLOSED}`, { auth: true }],
    ],
    AUTH,
  ),
  {
    phase: 'Auth',
    what: 'neither PLAIN nor LOGIN offered',
    plan: { troubles: [] },
    setup: { auth: true },
    expected: { message: 'transient 451 4.7.4', ...NEXT },
  },
];

const mail: readonly Corner[] = [
  ...lines('Mail', 'Mail', GOES_ON, [
    ['4xx', { say: '451 4.7.1 greylisted\r\n' }, 'transient 451 4.7.1'],
    ['5xx', { say: '550 5.7.1 no\r\n' }, 'permanent 550 5.7.1'],
  ]),
  ...lines(
    'Mail',
    'Mail',
    GOES_ON,
    [
      [
        '5xx, and every command that was pipelined with it',
        { say: '550 5.7.1 no\r\n' },
        'permanent 550 5.7.1',
      ],
    ],
    PIPELINED,
  ),
  ...transaction('Mail', 'Mail', 'mail'),
  ...later('Mail', 'Mail', 'mail'),
  ...lines(
    'Mail, later',
    'Mail',
    ANOTHER,
    [
      ['closed', 'closes', 'again at once'],
      ['reset', 'resets', 'again at once'],
    ],
    { after: 1 },
  ),
  {
    phase: 'Mail',
    what: 'the message is larger than SIZE (not sent)',
    plan: { extensions: ['SIZE 1000'], troubles: [] },
    setup: { bodyBytes: 2_000 },
    expected: { message: 'permanent 552 5.3.4', ...GOES_ON },
  },
  {
    phase: 'Mail',
    what: '8-bit message, 8BITMIME not offered (not sent)',
    plan: { troubles: [] },
    setup: { eightBit: true },
    expected: { message: 'permanent 554 5.6.3', ...GOES_ON },
  },
  {
    phase: 'Mail',
    what: 'SMTPUTF8 needed and not offered (not sent)',
    plan: { extensions: ['8BITMIME'], troubles: [] },
    setup: { smtputf8: true },
    expected: { message: 'permanent 553 5.6.7', ...GOES_ON },
  },
];

const MIXED = [
  { at: 'Rcpt', does: 'forgets' },
  { at: 'Rcpt', does: { say: '550 5.1.1 no such user\r\n' } },
  { at: 'Rcpt', does: { say: '452 4.2.2 full\r\n' } },
] as const;
const EACH = ['delivered', 'permanent 550 5.1.1', 'transient 452 4.2.2'];

const rcpt: readonly Corner[] = [
  ...lines('Rcpt', 'Rcpt', GOES_ON, [
    ['4xx to all', { say: '450 4.2.1 later\r\n' }, 'transient 450 4.2.1'],
    ['5xx to all', { say: '550 5.1.1 no such user\r\n' }, 'permanent 550 5.1.1'],
  ]),
  ...[PIPELINED, CHUNKED].flatMap((plan) =>
    lines(
      'Rcpt',
      'Rcpt',
      GOES_ON,
      [
        [
          '5xx to all, and to DATA or BDAT that was pipelined',
          { say: '550 5.1.1 no\r\n' },
          'permanent 550 5.1.1',
        ],
      ],
      plan,
    ),
  ),
  {
    phase: 'Rcpt',
    what: '2xx, 5xx and 4xx',
    plan: { troubles: MIXED },
    setup: { recipients: 3 },
    expected: { message: 'each its own', ...GOES_ON, outcomes: EACH },
  },
  ...transaction('Rcpt', 'Rcpt', 'rcpt'),
  ...later('Rcpt', 'Rcpt', 'rcpt'),
  {
    phase: 'Rcpt',
    what: '5xx, then 421',
    plan: {
      ...PIPELINED,
      troubles: [
        { at: 'Rcpt', does: { say: '550 5.1.1 no\r\n' } },
        { at: 'Rcpt', does: { say: '421 4.3.2 bye\r\n' } },
      ],
    },
    setup: { recipients: 2 },
    expected: { message: 'each its own', ...OVER, outcomes: ['permanent 550 5.1.1', 'transient 421 4.3.2'] },
  },
];

const data: readonly Corner[] = [
  ...lines('Data', 'Data', GOES_ON, [
    ['4xx', { say: '451 4.3.0 later\r\n' }, 'transient 451 4.3.0'],
    ['5xx', { say: '554 5.7.1 no\r\n' }, 'permanent 554 5.7.1'],
  ]),
  ...transaction('Data', 'Data', 'data'),
  ...lines('Data', 'Data', REFUSES, [['250 instead of 354', { say: '250 ok\r\n' }, `transient ${NONSENSE}`]]),
  {
    phase: 'Data',
    what: 'stops reading in the middle of the body',
    plan: {
      troubles: [{ at: 'Data', does: 'answers and is deaf' }],
    },
    setup: { bodyBytes: 20_000_000, timeout: 'dataBlock' },
    expected: { message: `transient ${CLOSED}`, ...REFUSES },
  },
];

const finalDot: readonly Corner[] = [
  ...[{}, CHUNKED].flatMap((plan) =>
    lines(
      'extensions' in plan ? 'FinalDot (BDAT)' : 'FinalDot',
      'FinalDot',
      GOES_ON,
      [
        ['4xx', { say: '451 4.3.0 later\r\n' }, 'transient 451 4.3.0'],
        ['5xx', { say: '554 5.7.1 spam\r\n' }, 'permanent 554 5.7.1'],
      ],
      plan,
    ),
  ),
  ...transaction('FinalDot', 'FinalDot', 'finalDot'),
  ...later('FinalDot', 'FinalDot', 'finalDot'),
  ...lines('FinalDot', 'FinalDot', OVER, [['2xx, then closed', 'answers and closes', 'delivered']]),
  ...lines('FinalDot, later', 'FinalDot', OVER, [['closed', 'closes', `transient ${CLOSED}`]], { after: 1 }),
];

const RCPT_REFUSED = { at: 'Rcpt', does: { say: '550 5.1.1 no\r\n' } } as const;

const rset: readonly Corner[] = (
  [
    ['refused', { say: '500 5.5.1 what\r\n' }],
    ['closed', 'closes'],
    ['421', { say: '421 4.3.2 bye\r\n' }],
    ['no answer', 'is silent'],
    ['no SMTP', GARBAGE],
  ] as const
).map(([what, does]) => ({
  phase: 'Rset',
  what: `${what} (after 5xx to RCPT)`,
  plan: { troubles: [RCPT_REFUSED, { at: 'Rset', does }] },
  setup: { timeout: 'rset' },
  expected: { message: 'permanent 550 5.1.1', ...OVER },
}));

const idle: readonly Corner[] = lines('between messages', 'Idle', OVER, [
  ['closed, at a limit of its own', 'closes', 'delivered'],
  ['421', { say: '421 4.7.0 enough for today\r\n' }, 'delivered'],
  ['a reply that nobody asked for', { say: '250 2.0.0 surprise\r\n' }, 'delivered'],
  ['no SMTP', GARBAGE, 'delivered'],
]);

const announced: readonly Corner[] = [
  ...['500', '502', '503'].flatMap((code) =>
    lines(
      'FinalDot (BDAT)',
      'Bdat',
      ANOTHER,
      [
        [
          'any 50x: CHUNKING is announced and not understood. DATA from now on',
          { say: `${code} 5.5.1 BDAT?\r\n` },
          'again at once',
        ],
      ],
      CHUNKED,
    ),
  ),
  ...lines(
    'Mail',
    'Mail',
    ANOTHER,
    [
      [
        'PIPELINING is announced and called a violation. One command at a time from now on',
        { say: '503 5.5.0 improper command pipelining\r\n' },
        'again at once',
      ],
    ],
    PIPELINED,
  ),
  ...lines(
    'Rcpt',
    'Mail',
    REFUSES,
    [
      [
        'PIPELINING is announced and commands get lost. One command at a time from now on',
        'forgets',
        `transient ${CLOSED}`,
        { timeout: 'rcpt' },
      ],
    ],
    PIPELINED,
  ),
];

/** By phase. */
export const CORNERS: readonly Corner[] = [
  ...connect,
  ...opening('Greeting', 'Greeting', 'greeting'),
  ...lines('Greeting', 'Greeting', NEXT, [
    ['5xx', { say: '554 5.7.1 no\r\n' }, 'permanent 554 5.7.1', { companion: true }],
  ]),
  ...opening('Ehlo', 'Ehlo', 'ehlo'),
  ...ehlo,
  ...startTls,
  ...auth,
  ...mail,
  ...rcpt,
  ...data,
  ...finalDot,
  ...announced,
  ...rset,
  ...idle,
];

/** The table as the documentation has it: by phase, and lines of one phase that end alike stand together. */
export function cornersTable(): string {
  const heads = ['phase', 'what happens', 'message', 'host', 'session', 'lane'];
  const rows: { readonly cells: readonly string[]; readonly whats: string[] }[] = [];
  for (const corner of CORNERS) {
    const { phase, what, expected } = corner;
    const cells = [phase, messageText(corner), expected.host, expected.session, expected.lane];
    const same = rows.find((row) => row.cells.join('|') === cells.join('|'));
    if (same === undefined) rows.push({ cells, whats: [what] });
    else if (!same.whats.includes(what)) same.whats.push(what);
  }
  const phases = [...new Set(CORNERS.map(({ phase }) => phase))];
  const lines = phases
    .flatMap((phase) => rows.filter(({ cells }) => cells[0] === phase))
    .map(({ cells: [phase, ...rest], whats }) => [phase, whats.join('; '), ...rest]);
  return [heads, heads.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The peer's own code is an example; codes that Sluice makes are fixed and stand there. */
function messageText({ plan, expected }: Corner): string {
  if (expected.outcomes !== undefined) return 'each recipient its own reply';
  const [status = '', ...code] = expected.message.split(' ');
  const own = plan.troubles.some(
    ({ does }) => typeof does === 'object' && does.say.startsWith(code.join(' ')),
  );
  return own && code.length > 0 && status !== 'again'
    ? `${status}, its reply`
    : expected.message.replace(/(\d{3} [\d.]+)/, '`$1`');
}
