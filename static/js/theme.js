// Sets the chosen theme before the first paint: loaded in <head>, not deferred. `shell.js` changes it.
(() => {
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is switched off: the theme follows the system.
  }
})();
