// Two models behind one name, compared: each figure with how sure it is.
import {get} from './api.js';
import {empty, h, put} from './dom.js';
import {follow} from './live.js';
import {h as _h} from './dom.js';

export function show(root) {
  root.append(h('div.page-head', {}, h('h1', {}, 'Experiments')), h('section.card', {}, empty('Soon', 'Here.')));
}
