// Package cleanup decides what has to be taken off a cluster so that nothing of this project, nor of KubeSphere, keeps
// an object from being deleted or lets one be deleted by surprise when nobody looks after it any more.
package cleanup
