/** What charts draw beside their series. */

const LEGEND_GAP_PIXELS = 10;
const MARK_ROOM_PIXELS = 160;

/** Some room between the legend and the chart. */
export const LEGEND_GAP = {
  id: "legendGap",
  beforeInit({ legend }) {
    const fit = legend.fit;
    legend.fit = function fitWithGap() {
      fit.call(this);
      this.height += this.legendItems?.length && this.options.display ? LEGEND_GAP_PIXELS : 0;
    };
  },
};

/** Dotted lines with the words of annotations `{index, text}`. */
export function drawAnnotations(annotations, colours) {
  return {
    id: "annotations",
    afterDatasetsDraw({ ctx, chartArea, scales }) {
      ctx.save();
      Object.assign(ctx, { strokeStyle: colours.muted, fillStyle: colours.muted, font: `11px ${colours.font}` });
      ctx.setLineDash([2, 3]);
      for (const mark of placeMarks(annotations, scales.x, chartArea)) drawMark(ctx, mark, chartArea);
      ctx.restore();
    },
  };
}

/** Where marks stand, and on which side there is how much room for their words. */
function placeMarks(annotations, axis, { left, right }) {
  const texts = new Map();
  for (const { index, text } of annotations) texts.set(index, [...(texts.get(index) ?? []), text]);
  const marks = [...texts]
    .sort(([a], [b]) => a - b)
    .map(([index, found]) => ({ x: axis.getPixelForValue(index), text: found.join(", ") }));
  const last = marks.length - 1;
  const gaps = marks.map(({ x }, place) => (marks[place + 1]?.x ?? right) - x);
  const beforeLast = marks.length > 1 ? gaps[last - 1] / 2 : marks.length && marks[0].x - left;
  const isLastLeft = gaps[last] < Math.min(beforeLast, MARK_ROOM_PIXELS);
  return marks.map(({ x, text }, place) => {
    const isLeft = isLastLeft && place === last;
    const isBeside = isLastLeft && place >= last - 1;
    return { x, text, isLeft, room: (isBeside ? beforeLast : gaps[place]) - 10 };
  });
}

function drawMark(ctx, { x, text, isLeft, room }, { top, bottom }) {
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, bottom);
  ctx.stroke();
  ctx.textAlign = isLeft ? "right" : "left";
  ctx.fillText(shorten(ctx, text, room), x + (isLeft ? -5 : 5), top + 10);
}

function shorten(ctx, text, room) {
  const most = Math.floor(room / (ctx.measureText(text).width / text.length));
  if (text.length <= most) return text;
  return most < 4 ? "" : `${text.slice(0, most - 1)}…`;
}

/** A line through the points that the tooltip tells of. */
export function drawCrosshair(colours) {
  return {
    id: "crosshair",
    beforeDatasetsDraw({ ctx, chartArea, tooltip }) {
      if (!tooltip?.getActiveElements().length) return;
      const { x } = tooltip.getActiveElements()[0].element;
      ctx.save();
      ctx.strokeStyle = colours.line;
      ctx.beginPath();
      ctx.moveTo(x, chartArea.top);
      ctx.lineTo(x, chartArea.bottom);
      ctx.stroke();
      ctx.restore();
    },
  };
}
