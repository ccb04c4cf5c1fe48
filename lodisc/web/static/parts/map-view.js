// The map on its canvas: what is drawn, and which point lies where.
import { Camera } from "../lib/camera.js";
import { find } from "../lib/dom.js";
import { Points } from "../lib/points.js";
import { draw } from "./map-drawing.js";

/** @import { Margins } from "../lib/camera.js" */
/** @import { MapLayout } from "../lib/models.js" */
/** @import { Kind } from "./legend.js" */
/** @import { Scene } from "./map-drawing.js" */

const NARROW = 720; // pixels
/** @type {Margins} */
const MARGINS = [40, 290, 40, 60];
/** @type {Margins} */
const NARROW_MARGINS = [84, 20, 120, 20];
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
   * @param {{ kinds: Kind[], kind: Uint32Array }} kinds
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
    this.camera.resize(width, height, width <= NARROW ? NARROW_MARGINS : MARGINS);
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
    const { camera, points, kind, highlight } = this.scene;
    const [x, y] = camera.toMap(...place);
    /** @param {number} index */
    const isLit = (index) => highlight === null || kind[index] === highlight;
    return points.nearest(x, y, reach / camera.scale, isLit);
  }

  /** The point nearest to the middle of the view. */
  nearMiddle() {
    const [near, far] = MIDDLE_REACHES;
    return this.nearest(this.camera.middle, near) ?? this.nearest(this.camera.middle, far);
  }
}
