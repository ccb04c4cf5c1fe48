// The map on its canvas: what is drawn, and which point lies where.
import { Camera } from "../lib/camera.js";
import { find } from "../lib/dom.js";
import { Points } from "../lib/points.js";
import { draw } from "./map-drawing.js";

/** @import { Margins } from "../lib/camera.js" */
/** @import { MapLayout } from "../lib/models.js" */
/** @import { Polygon } from "../lib/polygon.js" */
/** @import { Kinds } from "./map-kinds.js" */
/** @import { Scene } from "./map-drawing.js" */

/** Whether title and legend share a bar above the map: the same condition as in map.css. */
export const compact = matchMedia("(max-width: 720px), (max-height: 560px)");
/** @type {Margins} */
const MARGINS = [40, 290, 40, 60];
/** @type {Margins} */
const COMPACT_MARGINS = [76, 20, 20, 20];
const MIDDLE_REACHES = [60, 400]; // pixels around the middle in which the keys look for a point

export class MapView {
  #waitsForFrame = false;

  /** @param {() => void} onDraw called after every drawing */
  constructor(onDraw) {
    this.onDraw = onDraw;
    this.canvas = find("canvas", HTMLCanvasElement);
    /** @type {Scene} */
    this.scene = {
      camera: new Camera(() => this.drawSoon()),
      points: new Points([], []),
      ids: [],
      kinds: [],
      kind: new Uint32Array(),
      highlight: null,
      selection: new Set(),
      pointed: null,
      hasCross: false,
    };
    new ResizeObserver(() => this.#fit()).observe(this.canvas);
  }

  get camera() {
    return this.scene.camera;
  }

  get isEmpty() {
    return this.scene.ids.length === 0;
  }

  /** @param {MapLayout} layout */
  show({ x, y, ids }) {
    Object.assign(this.scene, { points: new Points(x, y), ids, pointed: null });
    this.#fit();
  }

  /**
   * Colour the points by their kinds.
   * @param {Kinds} kinds
   */
  colour({ kinds, kind }) {
    Object.assign(this.scene, { kinds, kind, highlight: null });
    this.drawSoon();
  }

  /**
   * Light up a kind, or with null all.
   * @param {number | null} kind
   */
  highlight(kind) {
    this.scene.highlight = kind;
    this.drawSoon();
  }

  #fit() {
    const { width, height } = this.canvas.getBoundingClientRect();
    this.camera.resize(width, height, compact.matches ? COMPACT_MARGINS : MARGINS);
  }

  /** Draw the scene once, with the next frame. */
  drawSoon() {
    if (this.#waitsForFrame) return;
    this.#waitsForFrame = true;
    requestAnimationFrame(() => {
      this.#waitsForFrame = false;
      if (this.scene.hasCross) this.scene.pointed = this.nearMiddle();
      draw(this.canvas, this.scene, () => this.drawSoon());
      this.onDraw();
    });
  }

  /**
   * The point nearest to a place on the screen, of those that are lit up.
   * @param {[x: number, y: number]} place
   * @param {number} reach in pixels
   */
  nearest(place, reach) {
    const { camera, points } = this.scene;
    const [x, y] = camera.toMap(...place);
    return points.nearest(x, y, reach / camera.scale, (index) => this.#isLit(index));
  }

  /**
   * The points in a part of the map, of those that are lit up.
   * @param {Polygon} polygon
   */
  *within(polygon) {
    const { points } = this.scene;
    for (const index of points.within(...polygon.box)) {
      if (this.#isLit(index) && polygon.contains(points.x[index], points.y[index])) yield index;
    }
  }

  /** @param {number} index */
  #isLit(index) {
    const { kind, highlight } = this.scene;
    return highlight === null || kind[index] === highlight;
  }

  /** The point nearest to the middle of the view. */
  nearMiddle() {
    const [near, far] = MIDDLE_REACHES;
    return this.nearest(this.camera.middle, near) ?? this.nearest(this.camera.middle, far);
  }
}
