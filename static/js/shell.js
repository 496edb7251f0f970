// The frame: theme, menus, the drawer on phones.

const root = document.documentElement;
const NEXT_THEME = { system: "light", light: "dark", dark: "system" };
const THEME_WORDS = { system: "follows the system", light: "light", dark: "dark" };

function showTheme() {
  const theme = root.dataset.theme ?? "system";
  for (const word of document.querySelectorAll("[data-theme-word]")) word.textContent = `Theme: ${theme}`;
  for (const button of document.querySelectorAll('[data-do="theme"][aria-label]')) {
    button.setAttribute("aria-label", `Theme: ${THEME_WORDS[theme]}`);
  }
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
  }
}

function setTheme(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Storage is switched off: the choice holds for this page.
  }
  showTheme();
}

function setDrawer(open) {
  const nav = document.getElementById("nav");
  const button = document.querySelector('[data-do="drawer"]');
  if (!nav || !button) return;
  nav.toggleAttribute("data-open", open);
  button.setAttribute("aria-expanded", String(open));
  if (open) nav.querySelector("a")?.focus();
}

const drawerIsOpen = () => document.querySelector("#nav[data-open]") !== null;

// Closes the top layer that is not a dialog (the browser closes those); true if there was one.
export function closeTopLayer() {
  const menu = document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
    return true;
  }
  if (drawerIsOpen()) {
    setDrawer(false);
    document.querySelector('[data-do="drawer"]').focus();
    return true;
  }
  return false;
}

export function startShell() {
  showTheme();
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      const chosen = event.target.closest("li :is(a, button)");
      const ends = chosen && !chosen.matches('[data-do="theme"]');
      // What saves a file leaves the page as it is: the keyboard must not lose its place.
      if (ends && menu.contains(document.activeElement)) menu.querySelector("summary").focus();
      if (ends || !menu.contains(event.target)) menu.open = false;
    }
    if (event.target.closest('[data-do="theme"]')) setTheme(NEXT_THEME[root.dataset.theme ?? "system"]);
    const choice = event.target.closest("[data-theme-choice]");
    if (choice) setTheme(choice.dataset.themeChoice);
    if (event.target.closest('[data-do="drawer"]')) setDrawer(!drawerIsOpen());
    else if (drawerIsOpen() && !event.target.closest("#nav")) setDrawer(false);
  });
}
