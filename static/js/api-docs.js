// The page of the REST API is Swagger UI's own, which is dark by a class: by that of the portal's theme.

const system = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");
  document.documentElement.classList.toggle("dark-mode", theme === "dark");
}

system.addEventListener("change", showTheme);
showTheme();
