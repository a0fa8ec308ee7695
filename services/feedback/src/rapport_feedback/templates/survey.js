// A small invitation on your page, which opens the survey in a tab of its own:
//   <script src="https://…/w/survey.js" data-link="https://…/s/…" data-text="How was it?" defer></script>
// It sets no cookie, fetches nothing, needs no inline style or script, and forgets with the tab that it was closed.
(function () {
  "use strict";
  var me = document.currentScript;
  if (!me) return;
  var told = me.dataset, link;
  try {
    link = new URL(told.link);
  } catch (error) {
    return;
  }
  // Only surveys of whom the script comes from: what else stands in the page does not lead elsewhere.
  if (link.origin !== new URL(me.src).origin || !/\/s\/[\w-]+$/.test(link.pathname)) return;
  var key = "rapport-survey:" + link.pathname;
  var remembers = function (value) {
    try {
      return value ? sessionStorage.setItem(key, value) : sessionStorage.getItem(key);
    } catch (error) {
      return null;
    }
  };
  var put = function (tag, styles, text) {
    var made = document.createElement(tag);
    for (var name in styles) made.style[name] = styles[name];
    if (text) made.textContent = text;
    return made;
  };
  var plain = { font: "inherit", color: "#1a1a1a", background: "#ffffff", cursor: "pointer" };
  var show = function () {
    var words = told.text || "How do you like it here?";
    var box = put("section", {
      position: "fixed", bottom: "16px", insetInlineEnd: "16px", zIndex: "2147483000",
      boxSizing: "border-box", maxWidth: "min(320px, calc(100vw - 32px))", padding: "16px",
      border: "1px solid #595959", borderRadius: "8px", background: "#ffffff", color: "#1a1a1a",
      font: "16px/1.4 sans-serif", boxShadow: "0 2px 12px rgba(0,0,0,.3)",
    });
    box.id = "rapport-survey";
    box.setAttribute("aria-label", words);
    var gone = function () {
      remembers("closed");
      box.remove();
    };
    var close = put("button", Object.assign({}, plain, {
      float: "inline-end", minWidth: "32px", minHeight: "32px", border: "0", padding: "0",
    }), "\u00d7");
    close.type = "button";
    close.setAttribute("aria-label", told.close || "Close");
    close.addEventListener("click", gone);
    var answer = put("a", Object.assign({}, plain, {
      display: "inline-block", padding: "8px 16px", border: "2px solid #1a1a1a", borderRadius: "4px",
    }), told.answer || "Answer");
    answer.href = link.href;
    answer.target = "_blank";
    answer.rel = "noopener noreferrer";
    answer.addEventListener("click", function () {
      setTimeout(gone, 0);
    });
    box.addEventListener("keydown", function (event) {
      if (event.key === "Escape") gone();
    });
    box.append(close, put("p", { margin: "0 0 12px" }, words), answer);
    document.body.append(box);
  };
  var later = Math.min(Math.max(Number(told.after) || 0, 0), 3600) * 1000;
  var begin = function () {
    setTimeout(function () {
      if (!remembers() && !document.getElementById("rapport-survey")) show();
    }, later);
  };
  if (document.body) begin();
  else document.addEventListener("DOMContentLoaded", begin);
})();
