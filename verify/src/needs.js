// Shows a message, before anything else runs, when the browser is too old for the page. It is a separate script, in the JavaScript of 2009:
// an old browser cannot even parse the other script. The build inserts the list of needs (needs.json) and the texts (web/i18n).
(function () {
  var features = FEATURES,
    browsers = BROWSERS,
    words = WORDS,
    missing = [];
  for (var i = 0; i < features.length; i++) {
    var at = window,
      path = features[i].split('.');
    for (var j = 0; j < path.length; j++) at = at ? at[path[j]] : undefined;
    if (!at) missing.push(features[i]);
  }
  if (!missing.length) return;
  var root = document.documentElement,
    main = document.getElementById('main');
  var lang = String(navigator.language || 'en')
    .toLowerCase()
    .split('-')[0];
  var say = words[lang] || words[(lang = 'en')];
  root.setAttribute('data-old', missing.join(' '));
  root.setAttribute('lang', lang);
  root.setAttribute('dir', say[4]);
  var add = function (tag, text) {
    var e = document.createElement(tag);
    e.appendChild(document.createTextNode(text));
    main.appendChild(e);
  };
  add('h1', say[0]);
  add('p', say[1]);
  add('p', say[2] + ' ' + browsers + '.');
  add('p', say[3] + ' ' + missing.join(', ') + '.');
})();
