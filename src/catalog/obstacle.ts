/** One thing that cannot be brought back exactly, and why. */
export interface Obstacle {
  /** The name of the object, qualified. */
  readonly identity: string;
  /** Why it cannot, in words. */
  readonly reason: string;
}
