// Figures with their intervals, on one scale.
import {s} from './dom.js';

const WIDTH = 120;

// Gives what draws one of these figures ({value, low, high}) beside the others.
export function figures(all) {
  const known = all.filter(Boolean).flatMap((one) => [one.value, one.low,
    one.high]).filter((value) => value !== null && value !== undefined);
  const from = Math.min(...known);
  const to = Math.max(...known);
  const x = (value) => 4 + ((value - from) / (to - from || 1)) * (WIDTH - 8);
  return (one, say) => {
    const [low, high] = [one.low ?? one.value, one.high ?? one.value];
    return s('svg',
      {width: WIDTH, height: 14, role: 'img', 'aria-label': `between ${say(low)} and ${say(high)}, of ${one.n}`},
      s('title', {}, `${say(low)} to ${say(high)}, of ${one.n}`),
      s('line.axis', {x1: 0, x2: WIDTH, y1: 7, y2: 7}),
      s('rect.fillbar.running', {x: x(low), y: 5, width: Math.max(2, x(high) - x(low)), height: 4, rx: 2, opacity: 0.45}),
      s('circle.mark.running', {cx: x(one.value), cy: 7, r: 4}));
  };
}
