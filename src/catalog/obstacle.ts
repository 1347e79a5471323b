/** An object that cannot be recreated exactly, and the reason. */
export interface Obstacle {
  /** The name of the object, qualified. */
  readonly identity: string;
  /** Why it cannot be recreated exactly. */
  readonly reason: string;
}
