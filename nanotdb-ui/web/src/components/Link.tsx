import type { ComponentChildren } from "preact";
import { navigate } from "../state/router";

interface Props {
  href: string;
  class?: string;
  current?: boolean;
  children: ComponentChildren;
}

/** A link inside the pages: no reload, but a real address for a new tab. */
export function Link({ href, current, children, ...rest }: Props) {
  const follow = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate(href);
  };
  return (
    <a href={href} onClick={follow} aria-current={current ? "page" : undefined} {...rest}>
      {children}
    </a>
  );
}
