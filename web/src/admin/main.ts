// The live charts of the admin page's overview: what the door offers as JSON, once a second.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import './live.css';

interface ClassStatus {
  class: string;
  offered_per_s_milli: number;
  admitted_per_s_milli: number;
  refused_per_s_milli: number;
  waiting: number;
}

interface Gate {
  running: number;
  limit: number;
  classes: ClassStatus[];
}

interface Status {
  at: number;
  upstreams: Record<string, { gate: Gate | null }>;
}

/** Seconds that a chart shows. */
const WINDOW_S = 300;
const INTERVAL_MS = 1000;

interface Line {
  label: string;
  colour: string;
  of: (gates: Gate[]) => number;
}

const classes = (gates: Gate[]) => gates.flatMap((gate) => gate.classes);
const sum = (numbers: number[]) => numbers.reduce((all, one) => all + one, 0);

const CHARTS: { title: string; lines: Line[] }[] = [
  {
    title: 'Requests a second',
    lines: [
      { label: 'offered', colour: '--chart-1', of: (gates) => sum(classes(gates).map((c) => c.offered_per_s_milli)) / 1000 },
      { label: 'admitted', colour: '--chart-2', of: (gates) => sum(classes(gates).map((c) => c.admitted_per_s_milli)) / 1000 },
      { label: 'refused', colour: '--chart-3', of: (gates) => sum(classes(gates).map((c) => c.refused_per_s_milli)) / 1000 },
    ],
  },
  {
    title: 'Requests at once',
    lines: [
      { label: 'running', colour: '--chart-2', of: (gates) => sum(gates.map((gate) => gate.running)) },
      { label: 'learnt capacity', colour: '--chart-4', of: (gates) => sum(gates.map((gate) => gate.limit)) },
      { label: 'waiting', colour: '--chart-3', of: (gates) => sum(classes(gates).map((c) => c.waiting)) },
    ],
  },
];

/** A moment on the time axis: hours and minutes here, seconds where they are not whole. */
function minute(at_s: number): string {
  return new Date(at_s * 1000).toTimeString().slice(0, at_s % 60 === 0 ? 5 : 8);
}

/** What a variable of the stylesheet is in the present theme: a canvas knows no light-dark(). */
function colour(variable: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** One chart: its points, and the figure in words for whoever does not see it. */
class Chart {
  private readonly points: number[][];
  private readonly plot: uPlot;
  private readonly words: HTMLElement;

  constructor(
    place: HTMLElement,
    title: string,
    private readonly lines: Line[],
  ) {
    this.points = [[], ...lines.map(() => [])];
    const figure = document.createElement('figure');
    const caption = document.createElement('figcaption');
    const heading = document.createElement('strong');
    heading.textContent = title;
    this.words = document.createElement('span');
    caption.append(heading, ' ', this.words);
    const drawing = document.createElement('div');
    drawing.setAttribute('aria-hidden', 'true');
    figure.append(caption, drawing);
    place.append(figure);
    const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
    const series = lines.map((line) => ({ label: line.label, stroke: colour(line.colour), width: 2 }));
    const width = () => Math.max(240, figure.clientWidth);
    const options: uPlot.Options = {
      width: width(),
      height: 200,
      cursor: { show: false },
      legend: { show: true, live: false },
      series: [{}, ...series],
      axes: [{ ...axis, values: (_, moments) => moments.map(minute) }, { ...axis, size: 44 }],
      scales: { x: { range: (_, __, max) => [max - WINDOW_S, max] }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
    };
    this.plot = new uPlot(options, this.points as uPlot.AlignedData, drawing);
    new ResizeObserver(() => this.plot.setSize({ width: width(), height: 200 })).observe(figure);
  }

  add(at_s: number, gates: Gate[]): void {
    const now = [at_s, ...this.lines.map((line) => line.of(gates))];
    now.forEach((value, index) => this.points[index]?.push(value));
    while ((this.points[0]?.[0] ?? at_s) < at_s - WINDOW_S) this.points.forEach((of) => of.shift());
    this.plot.setData(this.points as uPlot.AlignedData);
    const said = this.lines.map((line, index) => `${line.label} ${(now[index + 1] ?? 0).toFixed(1)}`);
    this.words.textContent = said.join(', ');
  }
}

async function look(charts: Chart[], note: HTMLElement): Promise<void> {
  try {
    const answer = await fetch('/live', { headers: { accept: 'application/json' }, redirect: 'error' });
    if (!answer.ok) throw new Error(String(answer.status));
    const status = (await answer.json()) as Status;
    const gates = Object.values(status.upstreams).flatMap((upstream) => (upstream.gate ? [upstream.gate] : []));
    charts.forEach((chart) => chart.add(status.at / 1000, gates));
    note.textContent = gates.length === 0 ? 'No upstream is configured: there is nothing to draw yet.' : '';
  } catch {
    note.textContent = 'The door does not answer; the charts stand still.';
  }
}

function begin(place: HTMLElement): void {
  const note = document.createElement('p');
  note.setAttribute('role', 'status');
  place.append(note);
  const charts = CHARTS.map(({ title, lines }) => new Chart(place, title, lines));
  const again = async (): Promise<void> => {
    // Nobody looks: nothing is asked.
    if (!document.hidden) await look(charts, note);
    setTimeout(again, INTERVAL_MS);
  };
  void again();
}

const place = document.getElementById('charts');
if (place) begin(place);
