"""The page at `/`, in headless Chromium: an answer live, across a reload, and nothing of it run as code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
from browser import Browser, open_browser
from services import LONG, WORDS, ask, serving

from gestura.chunks import Text, Thinking
from gestura.serve_settings import ServeSettings
from gestura.simulator import Scenario, Stall, ToolCall
from gestura.usage import TokenUsage

pytestmark = pytest.mark.timeout(120)

ENTER = "\ue007"
KEY = "alice-key-0123456789"

ATTACKS = (
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 2'>",
    "[click](javascript:window.hit=3)",
    "![x](https://evil.example/track.png)",
    "`<b onmouseover=window.hit=4>`",
    "**<svg onload=window.hit=5>**",
    "[click](https://user:password@evil.example/)",
    "[click](JavaScript:window.hit=8)",
    "| a | b |\n|---|---|\n| <img src=x onerror=window.hit=9> | [x](data:text/html,hit) |",
    "</div></main><iframe srcdoc='<script>parent.hit=6</script>'></iframe>",
)

MARKDOWN = """\
# Why the sky is blue

Sunlight holds **all colours**; air scatters the *short* waves more than the long ones.

1. Blue light has a short wave.
2. It is scattered to every side.

```python
def scattered(wavelength):
    return wavelength ** -4
```

| When | Colour |
| --- | ---: |
| noon | `blue` |
| sunset | red |

More in [the article](https://en.wikipedia.org/wiki/Rayleigh_scattering).
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


in_thread = partial(trio.to_thread.run_sync, abandon_on_cancel=True)


def use(browser: Browser, url: str, prompt: str = "Hi", model: str | None = None) -> None:
    browser.go("about:blank")
    browser.go(url)
    if model:
        browser.wait_for("return document.querySelector('#model').options.length > 1")
        browser.run("model.add(new Option(arguments[0], arguments[0])); model.value = arguments[0]", f"sim/{model}")
    browser.type("#prompt", prompt + ENTER)


async def test_an_answer_comes_live_and_survives_a_reload(browser: Browser) -> None:
    """The stream's name is in the address; loaded again amid the answer, the page goes on with it to its end."""

    def try_it(url: str) -> None:
        use(browser, url, "Tell me a long story", "long")
        browser.wait_for_text("#answer", WORDS[3])
        assert not browser.text("#answer").endswith(WORDS[-1])
        assert "#anyone." in browser.url
        browser.reload()
        assert "Tell me a long story" == browser.text("#asked")
        browser.wait_for_text("#end", "Done")
        browser.wait_for_text("#answer", WORDS[-1])
        assert LONG == browser.text("#answer")

    async with serving() as world:
        await in_thread(try_it, world.server.url)

        assert 1 == len(world.simulator.requests)


async def test_what_a_model_writes_is_shown_and_never_run(browser: Browser) -> None:
    """In text, thinking, the name and the arguments of a call, and an error: as text, with nothing fetched."""
    attack = "\n\n".join(ATTACKS)
    scenario = Scenario(model="evil", steps=(Thinking(attack), Text(attack), ToolCall("c1", "get_weather", attack)))

    def try_it(url: str) -> None:
        use(browser, url, ATTACKS[0], "evil")
        browser.wait_for_text("#end", "Done")
        browser.wait_for_text("#answer", "onload=window.hit=5")
        browser.run("document.querySelector('details').open = true")
        shown = browser.text("body")
        for each in ATTACKS[:3]:
            assert 3 == browser.text("#answer").count(each), each
        assert ATTACKS[0] == browser.text("#asked")
        assert "<b onmouseover=window.hit=4>" in shown
        assert "<svg onload=window.hit=5>" in shown
        assert browser.run("return window.hit ?? null") is None
        tags = "script, img, svg, iframe, a, b[onmouseover]"
        assert 0 == browser.run(f"return document.querySelectorAll('main {tags.replace(', ', ', main ')}').length")
        fetched = browser.run(
            "return performance.getEntriesByType('resource').map(each => new URL(each.name).pathname)"
        )
        assert {"/v1/models", "/v1/streams"} == {"/".join(path.split("/")[:3]) for path in fetched}

    async with serving(scenarios=[scenario, Scenario(model="hello")]) as world:
        await in_thread(try_it, world.server.url)


async def test_cancel_pause_and_go_on(browser: Browser) -> None:
    """The buttons are there while the answer comes, and do what they say."""
    # Two answers that don't end by themselves, however long the browser takes; the third is that of `Go on`.
    halting = Scenario(model="halting", steps=(Text(LONG),), faults=(Stall(after_events=4, times=2),))

    def try_it(url: str) -> None:
        use(browser, url, model="halting")
        browser.wait_for_text("#answer", WORDS[1])
        browser.click("#cancel")
        browser.wait_for_text("#end", "Cancelled")
        assert browser.run("return by('cancel').hidden && !by('send').hidden")

        use(browser, url, model="halting")
        browser.wait_for_text("#answer", WORDS[1])
        browser.click("#pause")
        browser.wait_for_text("#end", "Paused")
        before = browser.url
        browser.click("#resume")
        browser.wait_for_text("#end", "Done")
        assert before != browser.url

    async with serving(scenarios=[halting]) as world:
        await in_thread(try_it, world.server.url)


async def test_a_key_is_asked_for_and_kept_in_the_tab(browser: Browser) -> None:
    """In sessionStorage and nowhere else; a wrong one is asked for again."""

    def try_it(url: str) -> None:
        browser.go(url)
        for key in ("wrong-key", KEY):
            browser.wait_for("return document.querySelector('dialog').open")
            browser.type("#key", key + ENTER)
        browser.wait_for("return document.querySelector('#model').options.length > 1")
        browser.type("#prompt", "Hi" + ENTER)
        browser.wait_for_text("#end", "Done")
        assert "Hello, world!" == browser.text("#answer")
        assert [1, KEY] == browser.run("return [sessionStorage.length, sessionStorage.getItem('key')]")
        assert ["", 0] == browser.run("return [document.cookie, localStorage.length]")
        assert KEY not in browser.url

    async with serving(ServeSettings(port=0, keys={"alice": KEY})) as world:
        await in_thread(try_it, world.server.url)


async def test_the_page_lets_nothing_in(browser: Browser) -> None:
    """Its policy admits its own script and style, and no other; and it is in no frame."""

    def try_it(url: str) -> None:
        browser.go(url)
        browser.run(
            "const script = document.createElement('script'); script.text = 'window.hit = 1';"
            "document.body.append(script)"
        )
        assert browser.run("return window.hit ?? null") is None

    async with serving() as world:
        reply = await ask(world.port, "GET", "/")
        policy = reply.headers["content-security-policy"]

        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert b"://" not in reply.body.replace(b"http://www.w3.org/2000/svg", b"")
        await in_thread(try_it, world.server.url)


async def test_what_the_page_looks_like(browser: Browser) -> None:
    """Headings, lists and code are shown as such; with GESTURA_SCREENSHOT set, the picture of the docs is made."""
    scenario = Scenario(
        model="sky",
        steps=(
            Thinking("They ask why the sky is blue. Rayleigh scattering: the inverse fourth power."),
            ToolCall("call_1", "look_up", '{"topic": "Rayleigh scattering"}'),
            Text(MARKDOWN),
        ),
        usage=TokenUsage(input_tokens=11, output_tokens=118),
    )

    def try_it(url: str) -> None:
        use(browser, url, "Why is the sky blue?", "sky")
        browser.wait_for_text("#end", "Done")
        browser.wait_for_text("#answer", "sunset")
        shown = browser.run("return [...document.querySelectorAll('#answer div.answer > *')].map(each => each.tagName)")
        assert ["H2", "P", "OL", "PRE", "DIV", "P"] == shown
        assert "def scattered(wavelength):\n    return wavelength ** -4" == browser.run(
            "return document.querySelector('pre code').textContent"
        )
        assert ["When", "Colour", "noon", "blue", "sunset", "red"] == browser.run(
            "return [...document.querySelectorAll('table th, table td')].map(each => each.textContent)"
        )
        article = "https://en.wikipedia.org/wiki/Rayleigh_scattering"
        assert [article, "noopener noreferrer", "the article", " (en.wikipedia.org)"] == browser.run(
            "const link = document.querySelector('#answer a');"
            "return [link.href, link.rel, link.textContent, link.nextSibling.textContent]"
        )
        if path := os.environ.get("GESTURA_SCREENSHOT"):
            Path(path).write_bytes(browser.screenshot())

    async with serving(scenarios=[scenario, Scenario(model="hello")]) as world:
        await in_thread(try_it, world.server.url)
