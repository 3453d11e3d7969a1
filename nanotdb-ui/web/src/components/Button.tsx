import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./Icon";

interface Props {
  icon?: IconName;
  /** Read aloud and shown as a tooltip; needed where there is no text. */
  label?: string;
  kind?: "plain" | "primary" | "danger";
  pressed?: boolean;
  expanded?: boolean;
  disabled?: boolean;
  type?: "button" | "submit";
  onClick?: (event: MouseEvent) => void;
  children?: ComponentChildren;
}

export function Button({ icon, label, kind = "plain", pressed, expanded, children, type = "button", ...rest }: Props) {
  return (
    <button
      type={type}
      class={`button ${kind}${children ? "" : " square"}`}
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      aria-expanded={expanded}
      {...rest}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}
