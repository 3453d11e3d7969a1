/** Names and units of what is measured at home and in the garage. */

/** Shown as it is stored. */
export type Fixed = "energy" | "pressure" | "concentration" | "illuminance" | "rotation";
/** Shown with the prefix that fits: mV, kW. */
export type Prefixed = "power" | "voltage" | "current";

export const UNITS: Record<Fixed | Prefixed, string> = {
  energy: "kWh",
  pressure: "hPa",
  concentration: "ppm",
  illuminance: "lx",
  rotation: "rpm",
  power: "W",
  voltage: "V",
  current: "A",
};

/** Pattern of the name, what it measures, and what a stored one is in the unit of `UNITS`. Letters alone are a unit after `_` only. */
export const SENSORS: [RegExp, Fixed | Prefixed, number][] = [
  [/(^|[._])(kwh|kilowatt_?hours)([._]total)?$/, "energy", 1],
  [/(^|[._])(wh|watt_?hours)([._]total)?$/, "energy", 0.001],
  [/(^|[._])(hpa|mbar)$/, "pressure", 1],
  [/(^|[._])kpa$/, "pressure", 10],
  [/(^|[._])ppm$/, "concentration", 1],
  [/(^|[._])(lx|lux)$/, "illuminance", 1],
  [/(^|[._])rpm$/, "rotation", 1],
  [/(^|[._])watts?$|_w$/, "power", 1],
  [/(^|[._])(kw|kilowatts?)$/, "power", 1000],
  [/(^|[._])(mw|milliwatts?)$/, "power", 0.001],
  [/(^|[._])(volts?|voltage)$|_v$/, "voltage", 1],
  [/(^|[._])(mv|millivolts?)$/, "voltage", 0.001],
  [/(^|[._])(amps?|amperes?)$|_a$/, "current", 1],
  [/(^|[._])(ma|milliamps?|milliamperes?)$/, "current", 0.001],
];

/** kWh a second are so many W. */
export const WATTS_PER_KWH_A_SECOND = 3_600_000;

const SI: [number, string][] = [
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
  [1, ""],
  [1e-3, "m"],
  [1e-6, "µ"],
];

/** A number scaled by 1000 up or down with its prefix: [1.5, "k"], [12, "m"]. */
export function scaledSi(value: number): [number, string] {
  const size = Math.abs(value);
  const [step, prefix] = SI.find(([least]) => size >= least) ?? (size === 0 ? [1, ""] : [1e-6, "µ"]);
  return [value / step, prefix];
}
