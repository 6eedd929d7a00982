import assert from "node:assert/strict";
import fc from "fast-check";
import { readHtml } from "./html_text.ts";
import { LinkCollector } from "./links.ts";
import { HOSTILE_MARKUP } from "./testdata/hostile_markup.ts";

const BOUNDS = { maxLinks: 200, maxUrlCharacters: 2_048 };

function read(html: string) {
  const links = new LinkCollector(BOUNDS);
  const { text, marks } = readHtml(html, links);
  return { text, links: links.links, ...marks };
}

function text(html: string): string {
  return read(html).text;
}

Deno.test("readHtml: text with references resolved, white space collapsed, blocks on their lines", () => {
  assert.equal(text("<p>a  b\r\n c</p><p>d<br>e</p>"), "a b c\nd\ne");
  assert.equal(text("<b>bo</b>ld <i> x</i>"), "bold x");
  assert.equal(text("<table><tr><td>1<td>2<tr><td>3</table>"), "1 2\n3");
  assert.equal(
    text("&lt;&amp;amp;&euro;&#8364;&#x20AC&#128;&copy2;&nosuch;&#;&#xzz;&"),
    "<&amp;€€€€©2;&nosuch;&#;&#xzz;&",
  );
  assert.equal(
    text("&#0;&#xD800;&#99999999999999999999;&#1114112;&#x0000000000000000041;"),
    "\ufffd\ufffd\ufffd\ufffdA",
  );
  assert.equal(text("1 < 2 <3 << <b>x"), "1 < 2 <3 << x");
});

Deno.test("readHtml: comments, scripts, styles and titles are not shown, whatever is in them", () => {
  assert.equal(
    text("a<!-- <p>x --> b<!--> c<!---> d<!--x--!> e<!doctype html> f<?x y> g</ x> h"),
    "a b c d e f g h",
  );
  assert.equal(
    text("a<script>'</scrip>'<b></SCRIPT >b<style>p{}</style>c<title>t</title>d"),
    "abcd",
  );
  assert.equal(text("a<p title=\"x > y\" alt='>'>b"), "a\nb");
});

Deno.test("readHtml: what never ends swallows the rest, as in a browser, and is counted", () => {
  for (const html of ["a<!-- b", "a<script>b", 'a<p title="b', "a<p b", "a</p b", "a<!b"]) {
    const { text, unclosedTags } = read(html);
    assert.deepEqual([text, unclosedTags], ["a", 1], html);
  }
});

Deno.test("readHtml: hidden text is counted and kept out", () => {
  const hiding = [
    ...[
      "display:none",
      "DISPLAY : None !important",
      "visibility:hidden",
      "font-size:0",
      "font-size:1px",
    ],
    ...[
      "font:0/0 Arial",
      "font-size:.1em",
      "color:#fff",
      "color:white",
      "color:#fefefe",
      "opacity:0.0",
    ],
    ...[
      "background:#123456;color:#123457",
      "color:rgb(255, 255,255)",
      "color:transparent",
      "mso-hide:all",
    ],
    ...["color:rgba(0,0,0,0)", "max-height:0px", "height:0;overflow:hidden", "text-indent:-9999px"],
  ];
  for (const style of hiding) {
    const { text, hiddenCharacters, shownCharacters } = read(
      `a<div style="${style}">xy <b>z</b></div>b`,
    );
    assert.deepEqual([text, hiddenCharacters, shownCharacters], ["a\nb", 3, 2], style);
  }
  assert.equal(
    read("a<p hidden>x</p><font color=FFFFFF>y</font><template>z</template>").hiddenCharacters,
    3,
  );
  assert.equal(read("<body bgcolor=black>x<font color=white>y</font>").text, "y");
});

Deno.test("readHtml: what only looks like hiding is shown", () => {
  const showing = [
    ...[
      "display:block",
      "font-size:1em",
      "font-size:12px",
      "opacity:0.9",
      "opacity:1",
      "color:#eee0d0",
    ],
    ...[
      "background:#000;color:#fff",
      "background:url(x);color:#fff",
      "color:rgb(0,0,0)",
      "height:0",
    ],
    ...[
      "font:bold 12px Arial",
      "color:#000",
      "max-height:100px",
      "margin-left:-5px",
      ":;::;(",
      "font-size:90%",
    ],
  ];
  for (const style of showing) {
    const { hiddenCharacters, text } = read(`<div style="${style}">x</div>`);
    assert.deepEqual([text, hiddenCharacters], ["x", 0], style);
  }
  assert.equal(text('<div style="font-size:0"><p style="font-size:14px">x</p></div>'), "x");
  assert.equal(
    text('<div style="visibility:hidden"><p style="visibility:visible">x</p></div>'),
    "x",
  );
  assert.equal(text('<div style="display:none"><p style="display:block">x</p></div>'), "");
  assert.equal(text("<style>.b{background:#333}</style><a class=b style=color:#fff>x</a>"), "x");
});

Deno.test("readHtml: hiding ends where it ends in a browser", () => {
  const hide = 'style="display:none"';
  const shown = {
    [`<p ${hide}>a<p>b`]: "b",
    [`<p ${hide}>a<div>b`]: "b",
    [`<ul><li ${hide}>a<li>b</ul>`]: "b",
    [`<table><tr><td ${hide}>a<td>b</table>`]: "b",
    [`<div><span ${hide}>a</div>b`]: "b",
    [`<div ${hide}><table><tr><td>a</div>b</table></div>c`]: "c",
    [`<div ${hide}><button>a</div>b</button></div>c`]: "c",
    [`<div ${hide}><b><div>a</b>b</div>c</div>d`]: "d",
    [`<span ${hide}><div>a</span>b`]: "",
    [`<font color=white><div>a</font>b`]: "b",
    [`<div ${hide}><br></br>a</div>b`]: "b",
  };
  for (const [html, expected] of Object.entries(shown)) assert.equal(text(html), expected, html);
});

Deno.test("readHtml: characters of no width are hidden ones", () => {
  const { text, hiddenCharacters, shownCharacters } = read("vi&#8203;ag&shy;ra\u200d");
  assert.deepEqual([text, hiddenCharacters, shownCharacters], ["viagra", 3, 6]);
});

Deno.test("readHtml: links from anchors with what they show, and from all that fetches", () => {
  const { links } = read(
    '<base href="http://base.example/"><a href="http://a.example/?x=1&amp;y">see <b>it</b><br>here</a>' +
      '<a href="//b.example/"><img src="http://c.example/x.gif"></a><form action="http://d.example/">' +
      '<td background="http://e.example/"><meta http-equiv=Refresh content="0; URL=\'http://f.example/\'">' +
      "see http://g.example/, and www.h.example.<a href='mailto:x@i.example'>x</a><a href=/j>j</a>",
  );
  assert.deepEqual(links.map(({ host, shown }) => [host, shown]), [
    ["base.example", null],
    ["a.example", "see it here"],
    ["c.example", null],
    ["b.example", ""],
    ["d.example", null],
    ["e.example", null],
    ["f.example", null],
    ["g.example", null],
    ["www.h.example", null],
  ]);
  assert.equal(links[1].url, "http://a.example/?x=1&y");
});

Deno.test("readHtml: text of an anchor is no link of its own, hidden text not what it shows", () => {
  const { links } = read('<a href="http://evil.example/">http://good.example<i hidden>x</i></a>');
  assert.deepEqual(links.map(({ host, shown }) => [host, shown]), [[
    "evil.example",
    "http://good.example",
  ]]);
});

Deno.test("readHtml: an anchor ends another one", () => {
  const { links } = read("<a href=http://a.example/>x<a href=http://b.example/>y");
  assert.deepEqual(links.map(({ host, shown }) => [host, shown]), [["a.example", "x"], [
    "b.example",
    "y",
  ]]);
});

Deno.test("readHtml: counts what HTML does besides showing text", () => {
  const { text: _, links: __, ...marks } = read(
    "<img src=http://a.example/1><img src=cid:2><IMG SRC='//a.example/3'><form></form><script></script>" +
      '<a href="javascript:x()">x</a><meta http-equiv=refresh><base href=x><div><span></div><p>',
  );
  assert.deepEqual(marks, {
    images: 3,
    remoteImages: 2,
    forms: 1,
    scripts: 2,
    hiddenCharacters: 0,
    shownCharacters: 1,
    hasMetaRefresh: true,
    hasBaseTag: true,
    unclosedTags: 1,
  });
});

Deno.test("readHtml: any markup is read, the same each time, into no more text than it is", () => {
  const piece = fc.constantFrom(
    ...Object.values(HOSTILE_MARKUP),
    "text",
    '"',
    "'",
    ">",
    "-->",
    " ",
    "\ud800",
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
    const html = pieces.join("");
    const reading = read(html);
    assert.ok(reading.text.length <= html.length);
    assert.ok(reading.hiddenCharacters + reading.shownCharacters <= html.length);
    assert.deepEqual(read(html), reading);
  }));
});
