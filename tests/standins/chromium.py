"""A headless Chromium to look at pages with; tests are skipped where there is none."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


@contextmanager
def chromium(downloads: Path, *, size: tuple[int, int] = (1280, 900), phone: bool = False) -> Iterator[Any]:
    """A selenium driver of a Chromium whose window shows `size` pixels of a page and saves to `downloads`."""
    if CHROMIUM is None or DRIVER is None:
        missing = "no Chromium" if CHROMIUM is None else "no chromedriver"
        pytest.skip(f"{missing} is installed (Debian's packages are chromium and chromium-driver)")
    from selenium.webdriver import Chrome
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = CHROMIUM
    # Without a sandbox it runs as root too, as in containers.
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en"]
    if not phone:
        # A headless window has no mouse of its own; this gives it one.
        arguments.append("--blink-settings=primaryHoverType=2,availableHoverTypes=2")
    for argument in arguments:
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(executable_path=DRIVER))
    try:
        driver.set_page_load_timeout(120)
        driver.set_script_timeout(120)
        metrics = {
            "width": size[0],
            "height": size[1],
            "deviceScaleFactor": 2 if phone else 1,
            "mobile": phone,
        }
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})
        yield driver
    finally:
        driver.quit()
