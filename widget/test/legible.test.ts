import assert from 'node:assert/strict';
import { test } from 'node:test';
import { legible } from '../src/screens/view.js';

test('what turns the direction, and controls, are named; what writing needs stays', () => {
  for (const [text, want] of [
    ['song of \u202eevol ym', 'song of ⟨U+202E⟩evol ym'],
    ['\u061c\u200e\u200f\u2066\u2069\u2028\0\x85', '⟨U+061C⟩⟨U+200E⟩⟨U+200F⟩⟨U+2066⟩⟨U+2069⟩⟨U+2028⟩⟨U+0000⟩⟨U+0085⟩'],
    ['👩‍🎤 café أغنية می‌خواهم', '👩‍🎤 café أغنية می‌خواهم'],
  ] as const)
    assert.equal(legible(text), want);
});
