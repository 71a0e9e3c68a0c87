import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergedMetrics } from './merged-metrics.ts';

test('every sample of every worker stays, told apart by a label, and each family is described once', () => {
  const of = (value: number, extra = ''): string =>
    '# HELP a_total What a is.\n# TYPE a_total counter\n' +
    `a_total ${value}\na_total{x="y z"} ${value}\na_total{} 1\n` +
    '# HELP h H.\n# TYPE h histogram\n' +
    `h_bucket{le="+Inf"} ${value}\nh_count ${value}\n${extra}`;
  assert.equal(
    mergedMetrics([
      { worker: 1, text: of(1) },
      { worker: 2, text: of(2, '# HELP late L.\n# TYPE late gauge\nlate 7\n') },
    ]),
    '# HELP a_total What a is.\n# TYPE a_total counter\n' +
      'a_total{worker="1"} 1\na_total{worker="1",x="y z"} 1\na_total{worker="1"} 1\n' +
      'a_total{worker="2"} 2\na_total{worker="2",x="y z"} 2\na_total{worker="2"} 1\n' +
      '# HELP h H.\n# TYPE h histogram\n' +
      'h_bucket{worker="1",le="+Inf"} 1\nh_count{worker="1"} 1\n' +
      'h_bucket{worker="2",le="+Inf"} 2\nh_count{worker="2"} 2\n' +
      '# HELP late L.\n# TYPE late gauge\nlate{worker="2"} 7\n',
  );
});

test('no worker, no metrics', () => {
  assert.equal(mergedMetrics([]), '');
});
