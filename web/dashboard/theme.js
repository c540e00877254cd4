// Runs before the first paint, so that the page never flashes in the other theme. data-theme is always there: the theme
// that the address asks for, else the one that was chosen, else the system's, also when that changes.
{
  const system = matchMedia("(prefers-color-scheme: dark)");

  function readChosen() {
    try {
      return localStorage.getItem("apptracker.theme");
    } catch {
      return null;
    }
  }

  function setTheme() {
    const named = [new URLSearchParams(location.search).get("theme"), readChosen()];
    const wanted = named.find((theme) => theme === "light" || theme === "dark");
    document.documentElement.dataset.theme = wanted ?? (system.matches ? "dark" : "light");
  }

  setTheme();
  system.addEventListener("change", setTheme);
}
